package ledger

import (
	"context"
	"encoding/binary"
)

// Snapshot is all records as they were at one revision. It costs little while it is
// open, and must be closed.
type Snapshot struct {
	snap     *snapshot
	Revision uint64
}

// Snapshot returns the records as they are now.
func (l *Ledger) Snapshot() (*Snapshot, error) {
	s := &Snapshot{}
	l.view.Must(func(v *view) {
		if v.at != nil {
			s.snap, s.Revision = v.at.reference(), v.revision
		}
	})
	if s.snap == nil {
		return nil, ErrClosed
	}
	return s, nil
}

// Close lets the store forget what was replaced since.
func (s *Snapshot) Close() { s.snap.release() }

// Snapshot returns every record as it is now, in the order of creation. It is for
// stores of few records.
func (s *Store[T]) Snapshot(ctx context.Context) (all []Found[T], err error) {
	at, err := s.ledger.Snapshot()
	if err != nil {
		return nil, err
	}
	defer at.Close()
	err = s.Each(ctx, at, func(f Found[T]) error { all = append(all, f); return nil })
	return all, err
}

// Each calls fn with every record of the store as of a snapshot, in the order of
// creation. It ends at fn's first error and returns it.
func (s *Store[T]) Each(ctx context.Context, at *Snapshot, fn func(Found[T]) error) error {
	prefix := s.kind.prefix(tagRecord)
	return scan(ctx, at.snap, prefix, after(prefix), func(key, value []byte) error {
		it, err := itemOf(binary.BigEndian.Uint64(key[len(prefix):]), value)
		if err != nil {
			return err
		}
		return fn(foundOf[T](it, false))
	})
}
