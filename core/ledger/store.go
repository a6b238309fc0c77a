package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	gojson "github.com/goccy/go-json"
)

// Store keeps the records of one kind. Its methods may be called concurrently.
type Store[T any] struct {
	ledger *Ledger
	kind   *kind
}

// StoreConfig says what a store does with its records. Its functions must depend on
// nothing but their arguments: they are asked again when a record changes. The zero
// value works.
type StoreConfig[T any] struct {
	// Index lists the terms that List, Find and Count can select a record by.
	Index func(key string, v T) []string
	// Time returns the time that Query.From and To select a record by. It must not
	// change with the record. May be nil.
	Time func(v T) time.Time
	// Version is that of what Index, Live, Time, Blobs, Retains and Sums return. A store that was
	// written with another is indexed anew when it is opened, which takes some seconds
	// for a million records. Default 1.
	Version uint64
	// Unindexed leaves the index to whoever opens the store next: for writing records
	// whose meaning is not known. Such a store has no lists.
	Unindexed bool
	// Live reports that a record will change soon. It is then kept in memory. May be
	// nil: none is live.
	Live func(v T) bool
	// Blobs lists the digests of the blobs that the record refers to: they are kept
	// as long as it does, and one whose file is missing is damaged.
	Blobs func(v T) []string
	// Retains lists the digests of other blobs that are kept as long as the record is,
	// although it does not need them: one whose file is missing is not there, and nothing
	// is damaged.
	Retains func(v T) []string
	// Sums lists what the record adds to the store's sums.
	Sums func(v T) []Sum
	// Observe is called with every change in commit order, by one goroutine, after
	// readers can see the change and before its writer is told. It must not block and
	// must not write to the ledger.
	Observe func(Change[T])
	// MaxBytes bounds a record, encoded. Default MaxRecord.
	MaxBytes int
	// UsesReserve lets new records be written where only the reserve of the disk is
	// left: those that help to free space.
	UsesReserve bool
	// CacheBytes bounds the records that are not live and are kept in memory all the
	// same. Default 8 MiB.
	CacheBytes int
}

// MaxRecord is the most bytes of a record, encoded, where the store's config does not
// say otherwise.
const MaxRecord = 768 << 10

// Sum is a number of records and an amount, such as bytes, under a name.
type Sum struct {
	Name    string
	Records int64
	Amount  int64
}

// Entry is a record and its revision.
type Entry[T any] struct {
	Key      string
	Revision uint64
	Value    T // shared: must not be changed in place
}

// Change is a committed write.
type Change[T any] struct {
	Entry[T]
	Deleted bool // Value is the zero value
	Before  *T   // what the record was; nil if it was not there
}

// maxKey is how many characters a key may have.
const maxKey = 160

var keyPattern = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{1,%d}$`, maxKey))

// OpenStore opens the store of a kind. What it reads does not grow with the number of
// records. A kind may be open once.
func OpenStore[T any](ctx context.Context, l *Ledger, name string, cfg StoreConfig[T]) (*Store[T], error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = MaxRecord
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = 8 << 20
	}
	if cfg.Version == 0 && !cfg.Unindexed {
		cfg.Version = 1
	}
	k := &kind{
		name: name, maxBytes: cfg.MaxBytes, usesReserve: cfg.UsesReserve, version: cfg.Version, timed: cfg.Time != nil,
		describe: func(key string, v any) facts { return describe(&cfg, key, v.(*T)) },
		decode: func(data []byte) (any, error) {
			v := new(T)
			return v, gojson.Unmarshal(data, v)
		},
	}
	if cfg.Observe != nil {
		k.observe = func(c *change) { cfg.Observe(changeOf[T](c)) }
	}
	switch err := l.openKind(ctx, k, cfg.CacheBytes); {
	case errors.Is(err, ErrCorrupt):
		return nil, fmt.Errorf("open store %s: %w\n%s", name, err, l.advice())
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", name, err)
	}
	return &Store[T]{ledger: l, kind: k}, nil
}

func changeOf[T any](c *change) Change[T] {
	typed := Change[T]{Entry: Entry[T]{Key: c.key, Revision: c.revision}, Deleted: c.after == nil}
	if c.after != nil {
		typed.Value = *c.after.(*T)
	}
	if c.before != nil {
		typed.Before = c.before.(*T)
	}
	return typed
}

// Create writes a record that must not exist, and returns its revision, or ErrExists,
// ErrRecordTooLarge, or ErrDiskFull where there is no room for new work.
func (s *Store[T]) Create(ctx context.Context, key string, v T) (uint64, error) {
	w, err := s.write(key, 0, &v)
	if err != nil {
		return 0, err
	}
	w.adds = true
	if err := s.ledger.commit(ctx, []*write{w}); err != nil {
		return 0, fmt.Errorf("%s %s: %w", s.kind.name, key, err)
	}
	return w.revision, nil
}

// Modify replaces a record by what change makes of it, and returns that. change gets
// nil where there is no record, and returns nil to delete it, or the pointer that it
// was given to leave it as it is. If someone else writes the record meanwhile, change
// is asked again, with what they wrote: it must do nothing but decide. Its errors are
// returned as they are.
func (s *Store[T]) Modify(ctx context.Context, key string, change func(current *T) (*T, error)) (Entry[T], error) {
	for {
		entry, err := s.modifyOnce(ctx, key, change)
		if !errors.Is(err, ErrConflict) {
			return entry, err
		}
		if ctx.Err() != nil {
			return entry, context.Cause(ctx)
		}
	}
}

func (s *Store[T]) modifyOnce(ctx context.Context, key string, change func(*T) (*T, error)) (Entry[T], error) {
	found, err := s.look(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Entry[T]{}, err
	}
	var current *T
	if err == nil {
		current = readAs[T](s.ledger.faults, found).value()
	}
	next, err := change(current)
	if err != nil || next == current {
		return found.entryOr(key, current), err
	}
	w, err := s.write(key, found.Revision, next)
	if err != nil {
		return Entry[T]{}, err
	}
	if err := s.ledger.commit(ctx, []*write{w}); err != nil {
		return Entry[T]{}, fmt.Errorf("%s %s: %w", s.kind.name, key, err)
	}
	entry := Entry[T]{Key: key, Revision: w.revision}
	if next != nil {
		entry.Value = *next
	}
	return entry, nil
}

func (f Found[T]) entryOr(key string, v *T) Entry[T] {
	entry := Entry[T]{Key: key, Revision: f.Revision}
	if v != nil {
		entry.Value = *v
	}
	return entry
}

// write encodes a write that was decided on a revision. A nil value deletes.
func (s *Store[T]) write(key string, revision uint64, v *T) (*write, error) {
	if !keyPattern.MatchString(key) {
		return nil, fmt.Errorf("%s: key %q: want up to 160 letters, digits, dashes and underscores", s.kind.name, key)
	}
	w := &write{kind: s.kind, key: key, expected: revision}
	if v == nil {
		return w, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", s.kind.name, key, err)
	}
	if len(data) > s.kind.maxBytes {
		return nil, &RecordTooLarge{Kind: s.kind.name, Key: key, Bytes: len(data), Max: s.kind.maxBytes}
	}
	w.value, w.data = v, data
	return w, nil
}

// RecordTooLarge refuses a record that is over its bound.
type RecordTooLarge struct {
	Kind, Key  string
	Bytes, Max int
}

func (e *RecordTooLarge) Error() string {
	return fmt.Sprintf("%s %s: record of %d bytes: max %d", e.Kind, e.Key, e.Bytes, e.Max)
}

// Is makes it ErrRecordTooLarge.
func (e *RecordTooLarge) Is(target error) bool { return target == ErrRecordTooLarge }

// Revision returns the revision of the newest change to a record of the kind, or, if
// there was none since the ledger was opened, of the newest at all.
func (s *Store[T]) Revision() (revision uint64) {
	s.ledger.view.Must(func(v *view) { revision = v.kinds[s.kind.name].revision })
	return revision
}

// Sums returns the store's sums, by name. Those of no record are not there.
func (s *Store[T]) Sums() (sums map[string]Sum) {
	s.ledger.view.Must(func(v *view) {
		have := v.kinds[s.kind.name].sums
		sums = make(map[string]Sum, len(have))
		for name, sum := range have {
			sums[name] = sum
		}
	})
	return sums
}
