package ledger

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"
)

// view is what has been committed, in memory. It can be thrown away and read
// again from the stream. The store's lock guards it.
//
// Records are in chunks, in the order of their keys. A term that one record has is
// a pointer to it; one that several have is a bit for each of them in its chunk,
// so that a query of any terms looks through a million records in less time than a
// page takes to send.
type view[T any] struct {
	index    func(string, T) []string
	packer   *packer
	chunks   []*chunk[T] // none is empty
	n        int
	single   map[string]*item[T] // by terms that one record has
	shared   map[string]*shared  // by those that more have had
	fresh    []*item[T]          // the newest records at rest, which are not packed yet
	oldest   int                 // of fresh, once it is full
	revision uint64
}

// item is a record. Only its packing changes, and only with the lock held.
type item[T any] struct {
	key      string
	revision uint64
	value    *T       // nil for a record at rest
	data     []byte   // of a record at rest: its JSON,
	dict     *s2.Dict // packed with this, if not nil
}

// freshMost is how many records at rest are kept as JSON, because what ended last
// is what is looked at most.
const freshMost = 4096

func newView[T any](index func(string, T) []string, p *packer) view[T] {
	if index == nil {
		index = func(string, T) []string { return nil }
	}
	return view[T]{index: index, packer: p, single: map[string]*item[T]{}, shared: map[string]*shared{}}
}

// apply takes in a committed change: the record as it now is, with its terms, or
// nil if it was deleted. It returns what the record was before.
func (v *view[T]) apply(key string, revision uint64, it *item[T], terms []string) (before *T) {
	v.revision = revision
	if old := v.get(key); old != nil {
		value := old.found().decode()
		before = &value
		v.forget(old, v.index(key, value))
	}
	if it == nil {
		if before != nil {
			v.remove(key)
		}
		return before
	}
	if before == nil {
		v.insert(it)
	} else {
		c, at, _ := v.locate(key)
		v.chunks[c].items[at] = it
	}
	v.note(it, terms)
	if it.value == nil && it.dict == nil {
		v.rest(it)
	}
	return before
}

// rest notes a record that came to rest, and packs the one that did so longest ago.
func (v *view[T]) rest(it *item[T]) {
	if len(v.fresh) < freshMost {
		v.fresh = append(v.fresh, it)
		return
	}
	old := v.fresh[v.oldest]
	old.data, old.dict = v.packer.pack(old.data)
	v.fresh[v.oldest] = it
	v.oldest = (v.oldest + 1) % freshMost
}

// locate finds the chunk and the place of a key, or where it belongs. Where there
// is no chunk yet, c is one that is not there.
func (v *view[T]) locate(key string) (c, at int, found bool) {
	if n := len(v.chunks); n > 0 { // ids grow: most look-ups while records are read are at the end
		newest := v.chunks[n-1]
		if order := strings.Compare(key, newest.last()); order >= 0 {
			return n - 1, len(newest.items) - 1 + order, order == 0
		}
	}
	c, found = slices.BinarySearchFunc(v.chunks, key, func(c *chunk[T], key string) int { return strings.Compare(c.items[0].key, key) })
	if found {
		return c, 0, true
	}
	if c == 0 {
		return 0, 0, false
	}
	at, found = v.chunks[c-1].place(key)
	return c - 1, at, found
}

func (v *view[T]) get(key string) *item[T] {
	if c, at, found := v.locate(key); found {
		return v.chunks[c].items[at]
	}
	return nil
}

func (v *view[T]) insert(it *item[T]) {
	v.n++
	c, at, _ := v.locate(it.key)
	if len(v.chunks) == 0 || at == chunkSize && c == len(v.chunks)-1 { // ids grow: the last chunk stays full
		v.chunks = append(v.chunks, &chunk[T]{terms: map[*shared]*bitset{}})
		c, at = len(v.chunks)-1, 0
	}
	if len(v.chunks[c].items) == chunkSize {
		v.chunks = slices.Insert(v.chunks, c+1, v.chunks[c].half())
		if at > chunkSize/2 {
			c, at = c+1, at-chunkSize/2
		}
	}
	v.chunks[c].insert(at, it)
}

func (v *view[T]) remove(key string) {
	v.n--
	c, at, _ := v.locate(key)
	if v.chunks[c].remove(at); len(v.chunks[c].items) == 0 {
		v.chunks = slices.Delete(v.chunks, c, c+1)
	}
}

// note gives a record in its place its terms, and forget takes them from it.
func (v *view[T]) note(it *item[T], terms []string) {
	c, at, _ := v.locate(it.key)
	for i, term := range terms {
		if slices.Contains(terms[:i], term) {
			continue
		}
		many := v.shared[term]
		if many == nil {
			one, taken := v.single[term]
			if !taken {
				v.single[term] = it
				continue
			}
			many = v.share(term, one)
		}
		v.chunks[c].mark(many, at)
		many.n++
	}
}

// share marks the record that alone has a term, because another gets it too.
func (v *view[T]) share(term string, one *item[T]) *shared {
	many := &shared{n: 1}
	c, at, _ := v.locate(one.key)
	v.chunks[c].mark(many, at)
	delete(v.single, term)
	v.shared[strings.Clone(term)] = many
	return many
}

func (v *view[T]) forget(it *item[T], terms []string) {
	c, at, _ := v.locate(it.key)
	for i, term := range terms {
		if slices.Contains(terms[:i], term) {
			continue
		}
		many := v.shared[term]
		if many == nil {
			delete(v.single, term)
			continue
		}
		v.chunks[c].unmark(many, at)
		if many.n--; many.n == 0 {
			delete(v.shared, term)
		}
	}
}

// count returns how many records have a term. The empty term counts all.
func (v *view[T]) count(term string) int {
	if term == "" {
		return v.n
	}
	if many := v.shared[term]; many != nil {
		return many.n
	}
	if v.single[term] != nil {
		return 1
	}
	return 0
}

// looked is how many chunks a search looks through with the lock held.
const looked = 256

// find adds records that a query selects to a page, from a key on: the empty key
// is where the query starts. It stops at one more than the page's limit, at the
// end, or when it has held the lock for long enough, and then returns the key to go
// on from.
func (v *view[T]) find(q Query, from string, page []Found[T]) (_ []Found[T], next string, more bool) {
	terms, one, none := v.resolve(q.Terms)
	if none {
		return page, "", false
	}
	low, high := q.span(from)
	if one != nil {
		c, at, _ := v.locate(one.key)
		set := v.chunks[c].with(terms, at, at+1)
		if _, ok := set.lowest(); ok && low <= one.key && (high == "" || one.key < high) {
			page = append(page, one.found())
		}
		return page, "", false
	}
	if q.Ascending {
		return v.ascend(terms, low, high, q.Limit, page)
	}
	return v.descend(terms, low, high, q.Limit, page)
}

// resolve finds the terms: a record that is the only one with one of them, and the
// others. none says that no record can have all of them.
func (v *view[T]) resolve(names []string) (terms []*shared, one *item[T], none bool) {
	for _, name := range names {
		if many := v.shared[name]; many != nil {
			terms = append(terms, many)
			continue
		}
		single := v.single[name]
		if single == nil || one != nil && one != single {
			return nil, nil, true
		}
		one = single
	}
	return terms, one, false
}

// span returns the keys that a query selects, from low up to, and without, high;
// an empty high is no bound. A key with a zero byte behind it is the next one.
func (q Query) span(from string) (low, high string) {
	low = q.Low
	if q.High != "" {
		high = q.High + "\x00"
	}
	switch {
	case from == "":
	case q.Ascending:
		low = max(low, from+"\x00")
	case high == "" || from < high:
		high = from
	}
	return low, high
}

func (v *view[T]) ascend(terms []*shared, low, high string, limit int, page []Found[T]) (_ []Found[T], next string, more bool) {
	c, at, _ := v.locate(low)
	for i := 0; c < len(v.chunks); i, c, at = i+1, c+1, 0 {
		if i == looked {
			return page, v.chunks[c-1].last(), true
		}
		ch := v.chunks[c]
		end := ch.before(high)
		for set := ch.with(terms, at, end); ; {
			at, ok := set.lowest()
			if !ok {
				break
			}
			if page = append(page, ch.items[at].found()); len(page) > limit {
				return page, "", false
			}
		}
		if end < len(ch.items) {
			break
		}
	}
	return page, "", false
}

func (v *view[T]) descend(terms []*shared, low, high string, limit int, page []Found[T]) (_ []Found[T], next string, more bool) {
	c := len(v.chunks) - 1
	if high != "" && c >= 0 {
		c, _, _ = v.locate(high)
	}
	for i := 0; c >= 0; i, c = i+1, c-1 {
		if i == looked {
			return page, v.chunks[c+1].items[0].key, true
		}
		ch := v.chunks[c]
		start := ch.from(low)
		for set := ch.with(terms, start, ch.before(high)); ; {
			at, ok := set.highest()
			if !ok {
				break
			}
			if page = append(page, ch.items[at].found()); len(page) > limit {
				return page, "", false
			}
		}
		if start > 0 {
			break
		}
	}
	return page, "", false
}

// before returns how many of a chunk's records are below a key; all if it is empty.
func (c *chunk[T]) before(high string) int {
	if high == "" || high > c.last() {
		return len(c.items)
	}
	n, _ := c.place(high)
	return n
}

// from returns how many of a chunk's records are below a key.
func (c *chunk[T]) from(low string) int {
	if low <= c.items[0].key {
		return 0
	}
	n, _ := c.place(low)
	return n
}

func (c *chunk[T]) last() string { return c.items[len(c.items)-1].key }

// Found is a record as it is in memory. It is decoded when it is asked for.
type Found[T any] struct {
	Key      string
	Revision uint64
	value    *T
	data     []byte
	dict     *s2.Dict
}

// found copies what the view has of a record, for when the lock is free again.
func (it *item[T]) found() Found[T] {
	return Found[T]{it.key, it.revision, it.value, it.data, it.dict}
}

// AtRest reports whether the record is kept as JSON: see [StoreConfig].
func (f Found[T]) AtRest() bool { return f.value == nil }

// AppendJSON adds the record as JSON, as it was written.
func (f Found[T]) AppendJSON(to []byte) []byte {
	if f.AtRest() {
		return unpack(to, f.data, f.dict)
	}
	data, err := json.Marshal(f.value)
	if err != nil {
		panic("ledger: a record that was written does not encode: " + err.Error())
	}
	return append(to, data...)
}

// Entry returns the record.
func (f Found[T]) Entry() Entry[T] {
	return Entry[T]{Key: f.Key, Revision: f.Revision, Value: f.decode()}
}

func (f Found[T]) decode() (value T) {
	if !f.AtRest() {
		return *f.value
	}
	if err := decode(unpack(nil, f.data, f.dict), &value); err != nil {
		panic("ledger: a record that was read does not decode: " + err.Error())
	}
	return value
}
