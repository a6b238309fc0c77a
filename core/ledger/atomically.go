package ledger

import (
	"context"
	"errors"
)

// Tx is changes of several records that are committed together or not at all.
type Tx struct {
	ctx    context.Context
	ledger *Ledger
	writes []*write
}

// Atomically calls fn, and commits what it did to the transaction, at most MaxWrites
// records of any kinds that it read or wrote. If someone else writes one of them
// meanwhile, fn is called again: it must do nothing else. Its errors are returned as
// they are, and then nothing is committed.
func (l *Ledger) Atomically(ctx context.Context, fn func(*Tx) error) error {
	for {
		tx := &Tx{ctx: ctx, ledger: l}
		if err := fn(tx); err != nil {
			return err
		}
		if len(tx.writes) == 0 {
			return nil
		}
		if err := l.commit(ctx, tx.writes); !errors.Is(err, ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (tx *Tx) find(k *kind, key string) *write {
	for _, w := range tx.writes {
		if w.kind == k && w.key == key {
			return w
		}
	}
	return nil
}

// Add creates a record in a transaction. Where there is one already, the transaction
// as a whole returns ErrExists.
func (s *Store[T]) Add(tx *Tx, key string, v T) error {
	w, err := s.write(key, 0, &v)
	if err != nil {
		return err
	}
	w.adds = true
	tx.writes = append(tx.writes, w)
	return nil
}

// ModifyIn is [Store.Modify] as part of a transaction: change is called once.
func (s *Store[T]) ModifyIn(tx *Tx, key string, change func(current *T) (*T, error)) error {
	earlier := tx.find(s.kind, key)
	current, revision, err := s.currentIn(tx, earlier, key)
	if err != nil {
		return err
	}
	next, err := change(current)
	if err != nil {
		return err
	}
	w, err := s.write(key, revision, next)
	if err != nil {
		return err
	}
	w.check = next == current && (earlier == nil || earlier.check)
	if earlier != nil {
		w.adds = earlier.adds
		*earlier = *w
		return nil
	}
	tx.writes = append(tx.writes, w)
	return nil
}

// currentIn returns a record as the transaction leaves it so far, and the revision
// that it was read at.
func (s *Store[T]) currentIn(tx *Tx, earlier *write, key string) (*T, uint64, error) {
	if earlier != nil {
		current, _ := earlier.value.(*T)
		return current, earlier.expected, nil
	}
	found, err := s.look(tx.ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return readAs[T](s.ledger.faults, found).value(), found.Revision, nil
}
