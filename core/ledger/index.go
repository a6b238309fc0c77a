package ledger

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// cursor walks the index entries of a term, in sealed blocks, in one direction.
type cursor struct {
	kind      *kind
	seals     []seal
	ascending bool
	prefix    []byte
	it        *pebble.Iterator
	started   bool
	block     uint32 // at which it stands
	ended     bool
}

func (k *kind) newCursor(from reader, term string, seals []seal, ascending bool) (*cursor, error) {
	prefix := k.termPrefix(term)
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return nil, storeError(err)
	}
	return &cursor{kind: k, seals: seals, ascending: ascending, prefix: prefix, it: it}, nil
}

// nearby is how many entries a cursor looks at before it seeks.
const nearby = 4

// seek moves to the entry of the first block that is not before target in the
// cursor's direction, and reports whether there is one.
func (c *cursor) seek(target uint32) (bool, error) {
	if c.ended || c.started && !c.before(c.block, target) {
		return !c.ended, nil
	}
	ok := false
	for range nearby {
		if !c.started {
			break
		}
		if ok = c.step(); !ok || !c.before(c.block, target) {
			break
		}
	}
	if !c.started || ok && c.before(c.block, target) {
		ok = c.jump(target)
	}
	for ok && !c.counts() {
		ok = c.step()
	}
	c.started, c.ended = true, !ok
	return ok, storeError(c.it.Error())
}

// before reports whether a block comes before another in the cursor's direction.
func (c *cursor) before(block, target uint32) bool {
	if c.ascending {
		return block < target
	}
	return block > target
}

func (c *cursor) step() (ok bool) {
	if c.ascending { // older blocks come last
		ok = c.it.Prev()
	} else {
		ok = c.it.Next()
	}
	return c.stand(ok)
}

func (c *cursor) jump(target uint32) (ok bool) {
	key := append(make([]byte, 0, len(c.prefix)+blockSuffix+1), c.prefix...)
	key = binary.BigEndian.AppendUint32(key, ^target)
	if c.ascending {
		ok = c.it.SeekLT(append(key, 0)) // the entry itself included
	} else {
		ok = c.it.SeekPrefixGE(key)
	}
	return c.stand(ok)
}

func (c *cursor) stand(ok bool) bool {
	if ok {
		c.block = blockOf(c.it.Key())
	}
	return ok
}

// counts reports whether the entry is of the seal that its block has: one that was
// being written when the program ended is not.
func (c *cursor) counts() bool {
	if int(c.block) >= len(c.seals) || c.seals[c.block].id == 0 {
		return false
	}
	id, _, _, err := entryHead(c.it.Value())
	return err == nil && id == c.seals[c.block].id
}

// places adds those of the entry to a set.
func (c *cursor) places(into *bitset) error { return decodeEntry(c.it.Value(), into) }

func (c *cursor) close() { _ = c.it.Close() } // what went wrong was returned by seek

// union walks the entries of several terms at once: of a record any will do.
type union []*cursor

// seek moves to the first block, not before target, in which any term has an entry.
func (u union) seek(target uint32) (block uint32, ok bool, err error) {
	for _, c := range u {
		found, err := c.seek(target)
		if err != nil {
			return 0, false, err
		}
		if found && (!ok || c.before(c.block, block)) {
			block, ok = c.block, true
		}
	}
	return block, ok, nil
}

// places returns those of the block at which the union stands.
func (u union) places(block uint32) (*bitset, error) {
	set := &bitset{}
	for _, c := range u {
		if c.ended || c.block != block {
			continue
		}
		if err := c.places(set); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// walk finds the sealed blocks in which some record may have one term of each union.
type walk struct {
	unions    []union
	ascending bool
	target    uint32
	last      uint32 // where it ends
	ended     bool
}

func (w *walk) close() {
	for _, u := range w.unions {
		for _, c := range u {
			c.close()
		}
	}
}

// next returns the next block whose records have them all, and which they are. Blocks
// in which each term is, but never at one record, are passed over.
func (w *walk) next() (block uint32, set *bitset, ok bool, err error) {
	for !w.ended {
		aligned, err := w.align()
		if err != nil || w.ended {
			return 0, nil, false, err
		}
		if !aligned {
			continue
		}
		block := w.target
		set, err := w.intersect(block)
		if err != nil {
			return 0, nil, false, err
		}
		w.advance()
		if !set.empty() {
			return block, set, true, nil
		}
	}
	return 0, nil, false, nil
}

// align moves every union to the target, or the target to where the first of them is.
func (w *walk) align() (aligned bool, err error) {
	for _, u := range w.unions {
		block, ok, err := u.seek(w.target)
		if err != nil || !ok {
			w.ended = true
			return false, err
		}
		if block != w.target {
			w.target = block
			w.ended = w.before(w.last, block)
			return false, nil
		}
	}
	return true, nil
}

func (w *walk) intersect(block uint32) (*bitset, error) {
	var all *bitset
	for _, u := range w.unions {
		set, err := u.places(block)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = set
			continue
		}
		all.and(set)
	}
	return all, nil
}

// before reports whether a block comes before another in the walk's direction.
func (w *walk) before(block, other uint32) bool {
	if w.ascending {
		return block < other
	}
	return block > other
}

func (w *walk) advance() {
	switch {
	case w.target == w.last:
		w.ended = true
	case w.ascending:
		w.target++
	default:
		w.target--
	}
}
