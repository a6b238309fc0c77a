package ledger

import (
	"github.com/tidwall/btree"
)

// view is what has been committed, in memory. It can be thrown away and read
// again from the stream. The store's lock guards it.
type view[T any] struct {
	all      *btree.Map[string, *item[T]]
	terms    map[string]*btree.Map[string, *item[T]]
	revision uint64
}

// item is an entry and the terms it is indexed under. It never changes.
type item[T any] struct {
	Entry[T]
	terms []string
}

func newView[T any]() view[T] {
	return view[T]{
		all:   &btree.Map[string, *item[T]]{},
		terms: map[string]*btree.Map[string, *item[T]]{},
	}
}

// apply takes in a committed change, and returns what the record was before.
func (v *view[T]) apply(c Change[T], index func(string, T) []string) (before *T) {
	v.revision = c.Revision
	if old := v.remove(c.Key); old != nil {
		before = &old.Value
	}
	if c.Deleted {
		return before
	}
	it := &item[T]{Entry: c.Entry}
	if index != nil {
		it.terms = index(c.Key, c.Value)
	}
	v.all.Set(c.Key, it)
	for _, term := range it.terms {
		tree, ok := v.terms[term]
		if !ok {
			tree = &btree.Map[string, *item[T]]{}
			v.terms[term] = tree
		}
		tree.Set(c.Key, it)
	}
	return before
}

func (v *view[T]) remove(key string) *item[T] {
	old, ok := v.all.Delete(key)
	if !ok {
		return nil
	}
	for _, term := range old.terms {
		tree := v.terms[term]
		tree.Delete(key)
		if tree.Len() == 0 {
			delete(v.terms, term)
		}
	}
	return old
}

// index returns the records that have a term. It is not nil.
func (v *view[T]) index(term string) *btree.Map[string, *item[T]] {
	if term == "" {
		return v.all
	}
	if tree, ok := v.terms[term]; ok {
		return tree
	}
	return &btree.Map[string, *item[T]]{}
}

// list walks the smallest index that the query names, and looks each record up in
// the others.
func (v *view[T]) list(q Query) (page []Entry[T], next string) {
	walk, others := v.plan(q.Terms)
	visit := func(key string, it *item[T]) bool {
		if q.Ascending && q.High != "" && key > q.High || !q.Ascending && key < q.Low {
			return false
		}
		if key == q.Before || !inAll(key, others) {
			return true
		}
		if len(page) == q.Limit {
			next = page[len(page)-1].Key
			return false
		}
		page = append(page, it.Entry)
		return true
	}
	from := q.Before
	if q.Ascending {
		walk.Ascend(max(from, q.Low), visit)
		return page, next
	}
	if q.High != "" && (from == "" || q.High < from) {
		from = q.High
	}
	if from == "" {
		walk.Reverse(visit)
	} else {
		walk.Descend(from, visit)
	}
	return page, next
}

func (v *view[T]) plan(terms []string) (walk *btree.Map[string, *item[T]], others []*btree.Map[string, *item[T]]) {
	walk = v.all
	for _, term := range terms {
		tree := v.index(term)
		if tree.Len() < walk.Len() {
			walk, tree = tree, walk
		}
		if tree != v.all {
			others = append(others, tree)
		}
	}
	return walk, others
}

func inAll[T any](key string, trees []*btree.Map[string, *item[T]]) bool {
	for _, tree := range trees {
		if _, ok := tree.Get(key); !ok {
			return false
		}
	}
	return true
}
