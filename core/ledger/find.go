package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Query selects records by terms, in the order in which they were created.
type Query struct {
	Terms     []string   // all must hold
	AnyOf     [][]string // of each list, one must hold
	Prefixes  []string   // of each, a term that begins with it must hold
	Low, High string     // if not empty, the bounds of the keys, both within
	From, To  time.Time  // if not zero, records of that time or later, and before it
	Before    string     // where the page before ended; empty for the first page
	Limit     int        // default 100
	Ascending bool       // default: the newest first
}

// ErrTooBroad is returned for a prefix that too many terms begin with.
var ErrTooBroad = errors.New("too many terms begin with the prefix")

// maxExpanded is how many terms a prefix may stand for.
const maxExpanded = 256

// ErrCursor is returned for a query whose Before is not where a page ended.
var ErrCursor = errors.New("not where a page ended")

// Cursor returns Before for what comes after a position.
func Cursor(position uint64) string { return "p" + strconv.FormatUint(position, 36) }

// ParseCursor returns the position of a cursor, or ErrCursor.
func ParseCursor(cursor string) (uint64, error) {
	digits, _ := strings.CutPrefix(cursor, "p")
	position, err := strconv.ParseUint(digits, 36, 64)
	if err != nil || cursor != Cursor(position) {
		return 0, fmt.Errorf("%q: %w", cursor, ErrCursor)
	}
	return position, nil
}

// Page is what Find found.
type Page[T any] struct {
	Records  []Found[T]
	Next     string // where the next page starts; empty at the end
	Revision uint64 // of the kind's newest change when the page was found
}

// List returns a page, and where the next one starts: empty at the end.
func (s *Store[T]) List(ctx context.Context, q Query) (page []Entry[T], next string, err error) {
	found, err := s.Find(ctx, q)
	page = make([]Entry[T], len(found.Records))
	for i, f := range found.Records {
		page[i] = f.Entry()
	}
	return page, found.Next, err
}

// Find is List without decoding.
func (s *Store[T]) Find(ctx context.Context, q Query) (p Page[T], err error) {
	q.Limit = cmp.Or(max(q.Limit, 0), 100)
	f, err := s.ledger.search(ctx, s.kind, q)
	if err != nil {
		return p, fmt.Errorf("%s: %w", s.kind.name, err)
	}
	defer f.close()
	p.Revision = f.revision
	p.Records = make([]Found[T], 0, min(q.Limit+1, 128))
	err = f.each(ctx, func(it *item, live bool) bool {
		p.Records = append(p.Records, foundOf[T](it, live))
		return len(p.Records) <= q.Limit
	})
	if err != nil {
		return Page[T]{}, fmt.Errorf("%s: %w", s.kind.name, err)
	}
	s.remember(f.snap, f.read...)
	if len(p.Records) > q.Limit {
		p.Records = p.Records[:q.Limit]
		p.Next = Cursor(p.Records[q.Limit-1].Position)
	}
	for i, found := range p.Records {
		p.Records[i] = readAs[T](s.ledger.faults, found)
	}
	return p, nil
}

// Count returns how many records have a term. The empty term counts all.
func (s *Store[T]) Count(ctx context.Context, term string) (int, error) {
	if term == "" {
		n := 0
		err := s.ledger.view.Do(ctx, func(v *view) { n = v.kinds[s.kind.name].records })
		return n, err
	}
	return s.CountQuery(ctx, Query{Terms: []string{term}})
}

// Counts returns how many records have each of some terms.
func (s *Store[T]) Counts(ctx context.Context, terms ...string) ([]int, error) {
	counts := make([]int, len(terms))
	for i, term := range terms {
		n, err := s.Count(ctx, term)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	return counts, nil
}

// CountQuery returns how many records a query selects. Its limit does not matter.
func (s *Store[T]) CountQuery(ctx context.Context, q Query) (n int, err error) {
	f, err := s.ledger.search(ctx, s.kind, q)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.kind.name, err)
	}
	defer f.close()
	n, err = f.count(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.kind.name, err)
	}
	return n, nil
}
