package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
)

// kindCheck holds the entries of one kind against each other. Each tag is read once, in
// order: what belongs together is compared by sums of hashes that do not depend on the
// order. Only where those differ, or something could not be read, entries are looked
// up one by one.
type kindCheck struct {
	*recordCheck
	k     *kind
	from  reader
	first int  // of what was found, that of this kind
	old   bool // its index is of another layout: it is made anew when the kind is opened

	next   uint64
	seals  []seal
	lost   map[uint64]string // positions of records that could not be read, and why
	sums   map[string]Sum
	keys   uint64            // sum over the records: key and position
	blocks map[uint32]uint64 // sums over the records of sealed blocks: terms and places
}

// kind checks all entries of a kind.
func (c *recordCheck) kind(from reader, k *kind) error {
	s := &kindCheck{
		recordCheck: c, k: k, from: from, first: len(c.found),
		lost: map[uint64]string{}, sums: map[string]Sum{}, blocks: map[uint32]uint64{},
	}
	for _, check := range []func() error{s.counters, s.readSeals, s.readRecords, s.checkKeys, s.checkIndex, s.checkSums} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// damaged notes damage.
func (s *kindCheck) damaged(part, key, format string, args ...any) {
	if len(s.found)-s.first < maxRecordDamage {
		s.add(RecordDamage{s.k.name, part, key, fmt.Sprintf(format, args...)})
	}
}

// full reports whether the list of damage has reached its bound.
func (s *kindCheck) full() bool { return len(s.found)-s.first+len(s.lost) >= maxRecordDamage }

// walk calls fn with the entries of a tag. It reports whether all could be read: an
// entry that cannot be is noted, and ends it.
func (s *kindCheck) walk(tag byte, part string, fn func(key, value []byte) error) (whole bool, err error) {
	prefix := s.k.prefix(tag)
	last := "the first"
	err = scan(s.ctx, s.from, prefix, after(prefix), func(key, value []byte) error {
		last = fmt.Sprintf("behind %q", key[len(prefix):])
		if err := s.read(len(key) + len(value)); err != nil {
			return err
		}
		return fn(key[len(prefix):], value)
	})
	if errors.Is(err, ErrCorrupt) {
		s.damaged(part, last, "it and what follows cannot be read: %s", reasonOf(err))
		return false, nil
	}
	return err == nil, err
}

func (s *kindCheck) counters() (err error) {
	if s.next, err = readUint(s.from, s.k.nextKey()); errors.Is(err, ErrCorrupt) {
		s.damaged(PartCounter, "next", "%s", reasonOf(err))
		s.next, err = s.lastPosition()
	}
	if err != nil {
		return err
	}
	version, err := readUint(s.from, s.k.versionKey())
	if errors.Is(err, ErrCorrupt) {
		s.damaged(PartCounter, "version", "%s", reasonOf(err))
		return nil
	}
	s.old = version != 0 && version>>32 != indexLayout
	return err
}

// lastPosition finds what the counter should be, as far as records can be read.
func (s *kindCheck) lastPosition() (next uint64, err error) {
	prefix := s.k.prefix(tagRecord)
	err = scan(s.ctx, s.from, prefix, after(prefix), func(key, _ []byte) error {
		next = binary.BigEndian.Uint64(key[len(key)-8:]) + 1
		return nil
	})
	if errors.Is(err, ErrCorrupt) {
		err = nil
	}
	return next, err
}

func (s *kindCheck) readSeals() error {
	if s.old {
		return nil
	}
	_, err := s.walk(tagSeal, PartSeal, func(key, value []byte) error {
		sealed, err := decodeSeal(value)
		if len(key) != blockSuffix || err != nil {
			s.damaged(PartSeal, fmt.Sprintf("%q", key), "%s", reasonOf(cmp.Or(err, lengthIs(key, blockSuffix))))
			return nil
		}
		number := binary.BigEndian.Uint32(key)
		if positionOf(number, 0) >= s.next {
			s.damaged(PartSeal, fmt.Sprint(number), "the kind has only %d positions", s.next)
			return nil
		}
		for len(s.seals) <= int(number) {
			s.seals = append(s.seals, seal{})
		}
		s.seals[number] = sealed
		return nil
	})
	return err
}

func lengthIs(b []byte, want int) error {
	if len(b) == want {
		return nil
	}
	return fmt.Errorf("%w: %d bytes where %d are", ErrCorrupt, len(b), want)
}

func (s *kindCheck) sealed(number uint32) (seal, bool) {
	if int(number) < len(s.seals) && s.seals[number].id != 0 {
		return s.seals[number], true
	}
	return seal{}, false
}

// readRecords reads every record. Where some cannot be read it goes on behind them.
func (s *kindCheck) readRecords() error {
	b := newBlock(0)
	prefix := s.k.prefix(tagRecord)
	for at := uint64(0); !s.full(); {
		err := scan(s.ctx, s.from, s.k.recordKey(at), after(prefix), func(key, value []byte) error {
			if err := lengthIs(key, len(prefix)+8); err != nil {
				return err
			}
			position := binary.BigEndian.Uint64(key[len(prefix):])
			if number := blockAt(position); number != b.number {
				s.sumBlock(b)
				b = newBlock(number)
			}
			at = position + 1
			s.record(b, position, value)
			return s.read(len(key) + len(value))
		})
		if !errors.Is(err, ErrCorrupt) {
			s.sumBlock(b)
			return err
		}
		if at >= s.next {
			s.sumBlock(b)
			s.damaged(PartRecord, "behind the last", "%s", reasonOf(err))
			return nil
		}
		if _, err := s.k.readAt(s.from, at); errors.Is(err, ErrCorrupt) {
			s.lost[at] = reasonOf(err)
		}
		at++
	}
	return nil
}

// record takes a record that was read.
func (s *kindCheck) record(b *block, position uint64, stored []byte) {
	s.records++
	it, f, err := s.decode(position, stored)
	if err != nil {
		s.lost[position] = reasonOf(err)
		return
	}
	if position >= s.next {
		s.damaged(PartCounter, "next", "it is %d, and record %s has position %d", s.next, it.key, position)
	}
	s.keys += s.sum(it.key, binary.BigEndian.AppendUint64(nil, position))
	b.insert(s.k, placeAt(position), it.key, f.at)
	b.add(placeAt(position), f.terms)
	for _, sum := range f.sums {
		have := s.sums[sum.Name]
		s.sums[sum.Name] = Sum{sum.Name, have.Records + sum.Records, have.Amount + sum.Amount}
	}
}

func (s *kindCheck) decode(position uint64, stored []byte) (it *item, f facts, err error) {
	if it, err = itemOf(position, stored); err != nil {
		return nil, f, err
	}
	if s.k.describe == nil {
		if !json.Valid(it.data) {
			err = fmt.Errorf("%w: it is no JSON", ErrCorrupt)
		}
		return it, f, err
	}
	value, err := s.k.decode(it.data)
	if err != nil {
		return nil, f, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return it, s.k.describe(it.key, value), nil
}

func (s *kindCheck) sum(text string, b []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(text) // it never fails, nor do the others
	_ = h.WriteByte(0)
	_, _ = h.Write(b)
	return h.Sum64()
}

// sumBlock adds up what the index of a block should be.
func (s *kindCheck) sumBlock(b *block) {
	sealed, ok := s.sealed(b.number)
	if !ok || s.k.describe == nil || len(b.terms) == 0 {
		return
	}
	if b.min < sealed.min || b.max > sealed.max {
		s.damaged(PartSeal, fmt.Sprint(b.number), "it says keys from %s to %s; there are some from %s to %s", sealed.min, sealed.max, b.min, b.max)
	}
	if b.oldest < sealed.oldest || b.newest > sealed.newest {
		s.damaged(PartSeal, fmt.Sprint(b.number), "it says times from %d to %d; there are some from %d to %d", sealed.oldest, sealed.newest, b.oldest, b.newest)
	}
	s.compareTimes(b)
	for term, set := range b.terms {
		s.blocks[b.number] += s.sum(term, set.encode(0))
	}
}

// compareTimes holds the times of a sealed block against its records.
func (s *kindCheck) compareTimes(b *block) {
	if !s.k.timed {
		return
	}
	times, err := s.k.readTimes(s.from, b.number)
	if err != nil {
		s.damaged(PartTimes, fmt.Sprintf("of block %d", b.number), "%s", reasonOf(err))
		return
	}
	wrong, there := 0, b.anyOf(termAll)
	for place, at := range b.times {
		if there.has(uint16(place)) && (place >= len(times) || times[place] != at) {
			wrong++
		}
	}
	if wrong > 0 {
		s.damaged(PartTimes, fmt.Sprintf("of block %d", b.number), "those of %d records differ", wrong)
	}
}

// checkKeys holds the entries of keys against the records.
func (s *kindCheck) checkKeys() error {
	var keys uint64
	whole, err := s.walk(tagKey, PartKey, func(key, value []byte) error {
		position, err := decodeUint(value)
		if err != nil {
			s.damaged(PartKey, string(key), "%s", reasonOf(err))
			return nil
		}
		if why, lost := s.lost[position]; lost {
			s.damaged(PartRecord, string(key), "%s", why)
			s.lost[position] = "" // it is named
			return nil
		}
		keys += s.sum(string(key), value)
		return nil
	})
	if err != nil || whole && keys == s.keys {
		return err
	}
	if !whole {
		for position, why := range s.lost {
			if why != "" {
				s.damaged(PartRecord, fmt.Sprintf("at position %d", position), "%s", why)
			}
		}
	}
	return s.compareKeys(whole)
}

// compareKeys looks every record up by its key, and then the record of every other key.
func (s *kindCheck) compareKeys(whole bool) error {
	named := map[string]bool{}
	prefix := s.k.prefix(tagRecord)
	err := scan(s.ctx, s.from, prefix, after(prefix), func(key, value []byte) error {
		position := binary.BigEndian.Uint64(key[len(prefix):])
		_, name, _, err := decodeRecord(position, value)
		if err != nil || s.full() {
			return nil // it is named
		}
		switch at, err := s.k.positionOf(s.from, name); {
		case err != nil:
			named[name] = true
			s.damaged(PartKey, name, "%s", reasonOf(err))
		case at != position:
			named[name] = true
			s.damaged(PartKey, name, "it says position %d, and the record is at %d", at, position)
		}
		return s.read(len(key) + len(value))
	})
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	if !whole { // what cannot be read is named
		return nil
	}
	_, err = s.walk(tagKey, PartKey, func(key, value []byte) error {
		if !named[string(key)] {
			s.compareKey(key, value)
		}
		return nil
	})
	return err
}

func (s *kindCheck) compareKey(key, value []byte) {
	position, err := decodeUint(value)
	if _, lost := s.lost[position]; err != nil || lost || s.full() {
		return // it is named
	}
	it, err := s.k.readAt(s.from, position)
	switch {
	case errors.Is(err, ErrNotFound):
		s.damaged(PartRecord, string(key), "it is missing at position %d", position)
	case err != nil:
		s.damaged(PartRecord, string(key), "%s", reasonOf(err))
	case it.key != string(key):
		s.damaged(PartKey, string(key), "it says position %d, where record %s is", position, it.key)
	}
}

// reasonOf is an error of damage in one line, without saying that it is damage.
func reasonOf(err error) string {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(reason, ErrCorrupt.Error()+": ")
}

// checkIndex holds the index of the sealed blocks against the records.
func (s *kindCheck) checkIndex() error {
	have := map[uint32]uint64{}
	whole, err := s.walk(tagIndex, PartIndex, func(key, value []byte) error {
		number, term, set, err := s.entry(key, value)
		switch {
		case err != nil:
			s.damaged(PartIndex, fmt.Sprintf("%q", key), "%s", reasonOf(err))
		case set != nil:
			have[number] += s.sum(term, placesOf(set).encode(0))
		}
		return nil
	})
	if err != nil || s.k.describe == nil {
		return err
	}
	for number := range s.seals {
		if n := uint32(number); !whole || have[n] != s.blocks[n] {
			if err := s.compareBlock(n, whole); err != nil || s.full() {
				return err
			}
		}
	}
	return nil
}

// entry decodes an index entry, whose key it is given without the kind. The set is nil
// where the entry does not count.
func (s *kindCheck) entry(key, value []byte) (number uint32, term string, set *bitset, err error) {
	if len(key) < blockSuffix+len(termEnd) || !bytes.HasSuffix(key[:len(key)-blockSuffix], termEnd) {
		return 0, "", nil, fmt.Errorf("%w: no term and no block", ErrCorrupt)
	}
	number = blockOf(key)
	term = string(bytes.ReplaceAll(key[:len(key)-blockSuffix-len(termEnd)], []byte{0, 0xff}, []byte{0}))
	set = &bitset{}
	id, _, _, err := entryHead(value)
	if err == nil {
		err = decodeEntry(value, set)
	}
	if sealed, ok := s.sealed(number); err != nil || !ok || sealed.id != id || set.empty() {
		return number, term, nil, err
	}
	return number, term, set, nil
}

// compareBlock names the index entries of a sealed block that differ from its records.
// Of records that could not be read it does not matter what they say.
func (s *kindCheck) compareBlock(number uint32, whole bool) error {
	if _, ok := s.sealed(number); !ok {
		return nil
	}
	b := newBlock(number)
	unknown := &bitset{}
	for place := range blockSize {
		position := positionOf(number, place)
		if _, lost := s.lost[position]; lost {
			unknown.add(uint16(place))
			continue
		}
		it, err := s.k.readAt(s.from, position)
		if err != nil {
			continue // there is none, or it is named
		}
		if value, err := s.k.decode(it.data); err == nil {
			b.add(uint16(place), s.k.describe(it.key, value).terms)
		}
	}
	for term, set := range b.terms {
		if err := s.compareTerm(number, term, set, unknown); err != nil {
			return err
		}
	}
	if !whole {
		return nil
	}
	_, err := s.walk(tagIndex, PartIndex, func(key, value []byte) error {
		n, term, set, err := s.entry(key, value)
		if err == nil && n == number && set != nil && b.terms[term] == nil {
			s.compareSets(number, term, set, &bitset{}, unknown)
		}
		return nil
	})
	return err
}

func (s *kindCheck) compareTerm(number uint32, term string, want *places, unknown *bitset) error {
	stored, closer, err := s.from.Get(s.k.indexKey(term, number))
	if err = storeError(err); errors.Is(err, ErrCorrupt) {
		s.damaged(PartIndex, entryName(number, term), "%s", reasonOf(err))
		return nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	have, should := &bitset{}, &bitset{}
	if err == nil {
		defer closer.Close()
		if id, _, _, err := entryHead(stored); err == nil && id == s.seals[number].id {
			_ = decodeEntry(stored, have) // an error was named
		}
	}
	want.addTo(should)
	s.compareSets(number, term, have, should, unknown)
	return context.Cause(s.ctx)
}

func (s *kindCheck) compareSets(number uint32, term string, have, want, unknown *bitset) {
	more, less := 0, 0
	for place := range uint16(blockSize) {
		switch h, w := have.has(place), want.has(place); {
		case unknown.has(place):
		case h && !w:
			more++
		case w && !h:
			less++
		}
	}
	if more+less > 0 {
		s.damaged(PartIndex, entryName(number, term), "it lacks %d records that have the term, and lists %d that do not", less, more)
	}
}

func entryName(number uint32, term string) string { return fmt.Sprintf("%q of block %d", term, number) }

func (b *bitset) has(place uint16) bool { return b[place/64]&(1<<(place%64)) != 0 }

// checkSums holds the sums against the records.
func (s *kindCheck) checkSums() error {
	stored := map[string]Sum{}
	whole, err := s.walk(tagSum, PartSum, func(key, value []byte) error {
		if err := lengthIs(value, 16); err != nil {
			s.damaged(PartSum, string(key), "%s", reasonOf(err))
			return nil
		}
		stored[string(key)] = Sum{string(key), int64(binary.BigEndian.Uint64(value)), int64(binary.BigEndian.Uint64(value[8:]))}
		return nil
	})
	if err != nil || !whole || s.k.describe == nil || len(s.lost) > 0 {
		return err
	}
	for name, want := range s.sums {
		if have := stored[name]; have.Records != want.Records || have.Amount != want.Amount {
			s.damaged(PartSum, name, "it says %d records and %d, which are %d and %d", have.Records, have.Amount, want.Records, want.Amount)
		}
		delete(stored, name)
	}
	for name, have := range stored {
		if have.Records != 0 || have.Amount != 0 {
			s.damaged(PartSum, name, "it says %d records and %d, which are none", have.Records, have.Amount)
		}
	}
	return nil
}
