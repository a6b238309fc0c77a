package ledger

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// round is what is committed with one sync.
type round struct {
	l        *Ledger
	batch    *pebble.Batch
	revision uint64               // of the last write so far
	states   map[recordID]*record // records that the round has looked at, as it leaves them
	next     map[*kind]uint64     // positions, where it creates records
	sums     map[*kind]map[string]Sum
	entries  map[string]*entry // index entries of sealed blocks that it changes
	changes  []*change         // in their order
	sealed   []*sealedTerms
	err      error // the first of the store below: the round fails as a whole
}

// recordID names a record among those of all kinds.
type recordID struct {
	kind *kind
	key  string
}

// record is one as a round finds or leaves it. Revision 0: it does not exist.
type record struct {
	position uint64
	revision uint64
	value    any
	data     []byte
}

// change is a committed write, and what it does to the index.
type change struct {
	kind          *kind
	key           string
	position      uint64
	revision      uint64
	before, after any // nil: absent
	data          []byte
	had, has      facts
	add, remove   []string // terms
}

// entry is an index entry of a sealed block that a round changes.
type entry struct {
	key  []byte
	seal uint64
	set  *bitset
}

func (l *Ledger) newRound() *round {
	r := &round{
		l: l, batch: l.db.NewBatch(), states: map[recordID]*record{}, next: map[*kind]uint64{},
		sums: map[*kind]map[string]Sum{}, entries: map[string]*entry{},
	}
	l.view.Must(func(v *view) { r.revision = v.revision })
	return r
}

// add takes in an operation, or returns an error and leaves the round as it was.
func (r *round) add(o *operation) error {
	if r.err != nil {
		return r.err
	}
	for i, w := range o.writes {
		for _, earlier := range o.writes[:i] {
			if earlier.kind == w.kind && earlier.key == w.key {
				return fmt.Errorf("%s %s is written twice in one commit", w.kind.name, w.key)
			}
		}
		current, err := r.current(w.kind, w.key)
		if err != nil {
			return err
		}
		if !r.l.faults.fits(current.revision, w.expected) {
			if w.adds {
				return ErrExists
			}
			return ErrConflict
		}
	}
	for _, w := range o.writes {
		if err := r.apply(w); err != nil {
			r.err = err // the batch has a part of the operation
			return err
		}
	}
	return nil
}

// current returns a record as the round leaves it so far.
func (r *round) current(k *kind, key string) (*record, error) {
	id := recordID{k, key}
	if now := r.states[id]; now != nil {
		return now, nil
	}
	var it *item
	var isNew bool // its key comes after all others: keys that begin with the time do
	r.l.view.Must(func(v *view) {
		it = v.kinds[k.name].get(key)
		isNew = key > v.kinds[k.name].last
	})
	if it == nil && !isNew {
		var err error
		it, err = k.read(r.l.db, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("%s %s: %w", k.name, key, err)
		}
	}
	now := &record{}
	if it != nil {
		now = &record{it.position, it.revision, it.value, it.data}
	}
	r.states[id] = now
	return now, nil
}

// apply puts a write into the batch.
func (r *round) apply(w *write) (err error) {
	if w.check {
		return nil
	}
	k, now := w.kind, r.states[recordID{w.kind, w.key}]
	if now.revision == 0 && w.value == nil {
		return nil // it is gone already
	}
	r.revision++
	w.revision = r.revision
	c := &change{kind: k, key: w.key, position: now.position, revision: r.revision, after: w.value, data: w.data}
	if now.revision != 0 {
		if c.before = now.value; c.before == nil {
			if c.before, err = k.decode(now.data); err != nil {
				return fmt.Errorf("%w: %s %s: %w", ErrCorrupt, k.name, w.key, err)
			}
		}
		c.had = k.describe(w.key, c.before)
	} else {
		c.position = r.position(k)
		r.set(k.keyKey(w.key), encodeUint(c.position))
	}
	if w.value == nil {
		r.delete(k.keyKey(w.key))
		r.delete(k.recordKey(c.position))
		r.states[recordID{k, w.key}] = &record{}
	} else {
		c.has = k.describe(w.key, w.value)
		r.set(k.recordKey(c.position), r.l.faults.stored(k.name, w.key, encodeRecord(c.position, c.revision, w.key, w.data)))
		r.states[recordID{k, w.key}] = &record{c.position, c.revision, w.value, w.data}
	}
	c.add, c.remove = without(c.has.terms, c.had.terms), without(c.had.terms, c.has.terms)
	r.changes = append(r.changes, c)
	r.addSums(c)
	return r.index(c)
}

// position returns that of a new record.
func (r *round) position(k *kind) uint64 {
	next, known := r.next[k]
	if !known {
		r.l.view.Must(func(v *view) { next = v.kinds[k.name].next })
	}
	r.next[k] = next + 1
	return next
}

// addSums adds what a change does to the sums.
func (r *round) addSums(c *change) {
	if len(c.had.sums)+len(c.has.sums) == 0 {
		return
	}
	sums := r.sums[c.kind]
	if sums == nil {
		sums = map[string]Sum{}
		r.sums[c.kind] = sums
	}
	add := func(of []Sum, sign int64) {
		for _, s := range of {
			sum, known := sums[s.Name]
			if !known {
				r.l.view.Must(func(v *view) { sum = v.kinds[c.kind.name].sums[s.Name] })
			}
			sums[s.Name] = Sum{s.Name, sum.Records + sign*s.Records, sum.Amount + sign*s.Amount}
		}
	}
	add(c.had.sums, -1)
	add(c.has.sums, 1)
}

// index changes the index entries of a record in a sealed block. Those of other
// blocks are in memory, and change with the view.
func (r *round) index(c *change) error {
	number := blockAt(c.position)
	var s seal
	r.l.view.Must(func(v *view) {
		if k := v.kinds[c.kind.name]; k.hot[number] == nil && int(number) < len(k.seals) {
			s = k.seals[number]
		}
	})
	if s.id == 0 {
		return nil
	}
	for _, term := range c.add {
		if err := r.mark(c, term, s.id, true); err != nil {
			return err
		}
	}
	for _, term := range c.remove {
		if err := r.mark(c, term, s.id, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) mark(c *change, term string, id uint64, on bool) error {
	key := c.kind.indexKey(term, blockAt(c.position))
	e := r.entries[string(key)]
	if e == nil {
		e = &entry{key: key, seal: id, set: &bitset{}}
		if err := e.read(r.l.db); err != nil {
			return err
		}
		r.entries[string(key)] = e
	}
	if on {
		e.set.add(placeAt(c.position))
	} else {
		e.set.remove(placeAt(c.position))
	}
	return nil
}

// read reads the entry as it is on disk: nothing, if it is not of its seal.
func (e *entry) read(from reader) error {
	b, closer, err := from.Get(e.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	defer closer.Close()
	if id, _, _, err := entryHead(b); err != nil || id != e.seal {
		return err
	}
	return decodeEntry(b, e.set)
}

func (r *round) set(key, value []byte) {
	if err := r.batch.Set(key, value, nil); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *round) delete(key []byte) {
	if err := r.batch.Delete(key, nil); err != nil && r.err == nil {
		r.err = err
	}
}

// commit writes the round to disk, then shows it to readers and observers.
func (r *round) commit() error {
	defer r.batch.Close()
	r.finish()
	if r.err != nil {
		return r.err
	}
	if r.batch.Empty() {
		return nil
	}
	if err := r.l.apply(r); err != nil {
		return err
	}
	r.show()
	return nil
}

// finish adds to the batch what follows from its changes.
func (r *round) finish() {
	for _, e := range r.entries {
		if e.set.empty() {
			r.delete(e.key)
			continue
		}
		r.set(e.key, placesOf(e.set).encode(e.seal))
	}
	for k, next := range r.next {
		r.set(k.nextKey(), encodeUint(next))
	}
	for k, sums := range r.sums {
		for name, sum := range sums {
			if sum.Records == 0 && sum.Amount == 0 {
				r.delete(k.sumKey(name))
				continue
			}
			r.set(k.sumKey(name), encodeSum(sum))
		}
	}
	if len(r.changes) > 0 {
		r.set(revisionKey, encodeUint(r.revision))
	}
	r.seal()
}
