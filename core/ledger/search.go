package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"thresher/core/guard"
)

// search is a query under way, on the store as it is at one revision.
type search struct {
	ledger    *Ledger
	kind      *kind
	q         Query
	snap      *snapshot
	revision  uint64
	seals     []seal
	hot       []hotBlock // in the order of the query
	low, high uint64     // bounds of the positions: from low up to, and without, high
	span      span
	walk      *walk
	records   *pebble.Iterator
	read      []*item // from disk
}

// hotBlock is what a query selects of a block that is in memory.
type hotBlock struct {
	number uint32
	set    *bitset
	bounds bounds
}

// search begins a query. The caller closes it.
func (l *Ledger) search(ctx context.Context, k *kind, q Query) (*search, error) {
	guard.Blocking("search of records")
	f := &search{ledger: l, kind: k, q: q, span: spanOf(&q)}
	if f.span.bounded && !k.timed {
		return nil, fmt.Errorf("records of %s have no time to be selected by", k.name)
	}
	var next uint64
	err := l.view.Do(ctx, func(v *view) {
		if v.at == nil {
			return
		}
		f.snap = v.at.reference()
		kv := v.kinds[k.name]
		f.revision, f.seals, next = kv.revision, kv.seals, kv.next
		for number, b := range kv.hot {
			if !f.span.meets(b.bounds) {
				continue
			}
			if set := b.selected(&q); set != nil {
				if !f.span.covers(b.bounds) {
					f.span.during(set, b.times)
				}
				f.hot = append(f.hot, hotBlock{number, set, b.bounds})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if f.snap == nil {
		return nil, ErrClosed
	}
	if err := f.start(next); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// start finds the bounds of the query and opens the index of the sealed blocks.
func (f *search) start(next uint64) error {
	f.high = next
	if f.q.Before != "" {
		at, err := ParseCursor(f.q.Before)
		if err != nil {
			return err
		}
		if f.q.Ascending {
			f.low = at + 1
		} else {
			f.high = min(f.high, at)
		}
	}
	slices.SortFunc(f.hot, func(a, b hotBlock) int {
		if f.q.Ascending {
			return cmp.Compare(a.number, b.number)
		}
		return cmp.Compare(b.number, a.number)
	})
	first, last, some := f.sealed()
	f.walk = &walk{ascending: f.q.Ascending, target: first, last: last, ended: !some}
	if !f.q.Ascending {
		f.walk.target, f.walk.last = last, first
	}
	if f.walk.ended {
		return nil
	}
	return f.openUnions()
}

// sealed returns the first and the last of the sealed blocks that may have a record
// within the query's bounds.
func (f *search) sealed() (first, last uint32, some bool) {
	if f.low >= f.high {
		return 0, 0, false
	}
	from, to := int(blockAt(f.low)), min(int(blockAt(f.high-1)), len(f.seals)-1)
	may := func(number int) bool {
		s := f.seals[number]
		return s.id != 0 && f.span.meets(s.bounds) && f.meetsKeys(s.bounds)
	}
	for from <= to && !may(from) {
		from++
	}
	for from <= to && !may(to) {
		to--
	}
	return uint32(from), uint32(to), from <= to
}

// meetsKeys reports whether any key of a block may be within the query's bounds.
func (f *search) meetsKeys(b bounds) bool {
	return (f.q.Low == "" || b.max >= f.q.Low) && (f.q.High == "" || b.min <= f.q.High)
}

func (f *search) openUnions() error {
	groups := slices.Clone(f.q.AnyOf)
	for _, term := range f.q.Terms {
		groups = append(groups, []string{term})
	}
	for _, prefix := range f.q.Prefixes {
		terms, err := f.kind.expand(f.snap, prefix)
		if err != nil {
			return err
		}
		groups = append(groups, terms)
	}
	if len(groups) == 0 {
		groups = [][]string{{termAll}}
	}
	for i, terms := range groups {
		f.walk.unions = append(f.walk.unions, union{})
		for _, term := range terms {
			c, err := f.kind.newCursor(f.snap, term, f.seals, f.q.Ascending)
			if err != nil {
				return err
			}
			f.walk.unions[i] = append(f.walk.unions[i], c)
		}
	}
	return nil
}

// expand lists the terms of sealed blocks that begin with a prefix.
func (k *kind) expand(from reader, prefix string) (terms []string, err error) {
	low := appendEscaped(k.prefix(tagIndex), prefix)
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: after(low)})
	if err != nil {
		return nil, storeError(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.SeekGE(after(k.termPrefix(terms[len(terms)-1]))) {
		if terms = append(terms, k.termOf(it.Key())); len(terms) > maxExpanded {
			return nil, fmt.Errorf("%q: %w: the limit is %d", prefix, ErrTooBroad, maxExpanded)
		}
	}
	return terms, storeError(it.Error())
}

func (f *search) close() {
	if f.walk != nil {
		f.walk.close()
	}
	if f.records != nil {
		_ = f.records.Close() // each reports its errors where it reads
	}
	f.snap.release()
}

// selected returns which records of the block a query's terms select, or nil if none.
func (b *block) selected(q *Query) *bitset {
	all := &bitset{}
	first := true
	with := func(set *bitset) {
		if first {
			*all, first = *set, false
			return
		}
		all.and(set)
	}
	for _, term := range q.Terms {
		with(b.anyOf(term))
	}
	for _, terms := range q.AnyOf {
		with(b.anyOf(terms...))
	}
	for _, prefix := range q.Prefixes {
		set := &bitset{}
		for term, p := range b.terms {
			if strings.HasPrefix(term, prefix) {
				p.addTo(set)
			}
		}
		with(set)
	}
	if first {
		with(b.anyOf(termAll))
	}
	if all.empty() {
		return nil
	}
	return all
}

func (b *block) anyOf(terms ...string) *bitset {
	set := &bitset{}
	for _, term := range terms {
		if p := b.terms[term]; p != nil {
			p.addTo(set)
		}
	}
	return set
}

// blocks calls fn with every block in which the query selects something, in its order,
// with what it selects, and whether the bounds of the keys are yet to be checked. It
// ends when fn returns false.
func (f *search) blocks(ctx context.Context, fn func(number uint32, set *bitset, check bool) (more bool, err error)) error {
	hot := f.hot
	number, set, ok, err := f.walk.next()
	for err == nil && (ok || len(hot) > 0) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var more bool
		if !ok || len(hot) > 0 && (hot[0].number < number) == f.q.Ascending {
			more, err = f.block(hot[0].number, hot[0].set, hot[0].bounds, fn)
			hot = hot[1:]
		} else {
			more, err = f.sealedBlock(number, set, fn)
			if more && err == nil {
				number, set, ok, err = f.walk.next()
			}
		}
		if !more {
			return err
		}
	}
	return err
}

// sealedBlock passes a sealed block on within the query's bounds.
func (f *search) sealedBlock(number uint32, set *bitset, fn func(uint32, *bitset, bool) (bool, error)) (more bool, err error) {
	b := f.seals[number].bounds
	if !f.span.meets(b) {
		return true, nil
	}
	if !f.span.covers(b) {
		times, err := f.kind.readTimes(f.snap, number)
		if err != nil {
			return false, err
		}
		f.span.during(set, times)
	}
	return f.block(number, set, b, fn)
}

// block passes a block on within the query's bounds of positions and keys.
func (f *search) block(number uint32, set *bitset, b bounds, fn func(uint32, *bitset, bool) (bool, error)) (more bool, err error) {
	start := positionOf(number, 0)
	if start >= f.high || start+blockSize <= f.low {
		return true, nil
	}
	if !f.meetsKeys(b) {
		return true, nil
	}
	set.from(int(max(f.low, start)-start), int(min(f.high-start, blockSize)))
	if set.empty() {
		return true, nil
	}
	check := f.q.Low != "" && b.min < f.q.Low || f.q.High != "" && b.max > f.q.High
	return fn(number, set, check)
}

// each calls fn with every record that the query selects, until it returns false.
func (f *search) each(ctx context.Context, fn func(it *item, live bool) bool) error {
	return f.blocks(ctx, func(number uint32, set *bitset, check bool) (bool, error) {
		for {
			positions := f.take(number, set, f.q.Limit+1)
			if len(positions) == 0 {
				return true, nil
			}
			items, live, err := f.items(positions)
			if err != nil {
				return false, err
			}
			for i, it := range items {
				if check && !f.q.within(it.key) {
					continue
				}
				if !fn(it, live[i]) {
					return false, nil
				}
			}
		}
	})
}

func (q *Query) within(key string) bool {
	return key >= q.Low && (q.High == "" || key <= q.High)
}

// take removes some places from a set and returns their positions, in order.
func (f *search) take(number uint32, set *bitset, n int) (positions []uint64) {
	next := set.takeHighest
	if f.q.Ascending {
		next = set.takeLowest
	}
	for len(positions) < min(n, blockSize) {
		place, ok := next()
		if !ok {
			break
		}
		positions = append(positions, positionOf(number, place))
	}
	return positions
}

// items returns records, from memory where they are there as they were at the
// search's revision.
func (f *search) items(positions []uint64) (items []*item, live []bool, err error) {
	items, live = make([]*item, len(positions)), make([]bool, len(positions))
	f.ledger.view.Must(func(v *view) {
		k := v.kinds[f.kind.name]
		for i, at := range positions {
			if it := k.at(at); it != nil && (v.at == f.snap || it.revision <= f.revision) {
				items[i] = it
				_, live[i] = k.live[at]
			}
		}
	})
	for i, at := range positions {
		if items[i] != nil {
			continue
		}
		if items[i], err = f.readAt(at); err != nil {
			return nil, nil, err
		}
		f.read = append(f.read, items[i])
	}
	return items, live, nil
}

// readAt reads a record that the index names.
func (f *search) readAt(position uint64) (*item, error) {
	if f.records == nil {
		prefix := f.kind.prefix(tagRecord)
		it, err := f.snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
		if err != nil {
			return nil, storeError(err)
		}
		f.records = it
	}
	key := f.kind.recordKey(position)
	if !f.records.SeekGE(key) || string(f.records.Key()) != string(key) {
		if err := f.records.Error(); err != nil {
			return nil, storeError(err)
		}
		return nil, fmt.Errorf("%w: the index names position %d, where there is no record", ErrCorrupt, position)
	}
	return itemOf(position, f.records.Value())
}

// count counts what the query selects.
func (f *search) count(ctx context.Context) (n int, err error) {
	err = f.blocks(ctx, func(number uint32, set *bitset, check bool) (bool, error) {
		if !check {
			n += set.count()
			return true, nil
		}
		items, _, err := f.items(f.take(number, set, blockSize))
		for _, it := range items {
			if f.q.within(it.key) {
				n++
			}
		}
		f.read = nil // a count is no reason to keep them
		return true, err
	})
	return n, err
}
