package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A deletion is a message of its own, the tombstone, over the record's last. JetStream
// removes what a newer message of the same subject replaces in memory only: in its
// blocks it stays until a block is written anew, and after a crash, when the blocks say
// what is there, only the tombstone hides it. So a tombstone stays as long as a block
// has anything of its record. Those under which nothing is left are cleared away now
// and then, so that there are never many more than a share of the records.

const (
	// sweepEvery is how often it is looked whether there are many tombstones.
	sweepEvery = 10 * time.Minute
	// fewTombstones, or an eighth of the records, are not cleared away.
	fewTombstones  = 1000
	tombstoneShare = 8
)

// sweepLoop clears tombstones away until the ledger closes.
func (s *Store[T]) sweepLoop() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ledger.quit:
			return
		case <-ticker.C:
		}
		records := 0
		s.view.Must(func(v *view[T]) { records = v.n })
		if s.tombstones.Load() < int64(max(fewTombstones, records/tombstoneShare)) {
			continue
		}
		s.tombstones.Store(0) // those that must stay are looked at again with as many new ones
		if _, err := s.sweep(context.Background()); err != nil && !s.ledger.closed.Load() {
			s.ledger.log.Warn("tombstones could not be cleared away", "store", s.kind, "error", err)
		}
	}
}

// sweep removes the tombstones under which nothing is left in any block, and returns
// how many there were.
func (s *Store[T]) sweep(ctx context.Context) (cleared int, err error) {
	blocks, err := s.ledger.openBlocks(s.kind)
	if err != nil {
		return 0, err
	}
	defer closeBlocks(blocks)
	bare := map[string]uint64{} // subject → the revision of a tombstone
	if err := eachMessage(blocks, func(m stored) {
		if m.header(headerDeleted) != nil {
			bare[string(m.subject)] = m.revision // the newest
		}
	}); err != nil {
		return 0, err
	}
	if err := eachMessage(blocks, func(m stored) {
		if tombstone, ok := bare[string(m.subject)]; ok && m.revision != tombstone {
			delete(bare, string(m.subject))
		}
	}); err != nil {
		return 0, err
	}
	for _, revision := range bare {
		if s.ledger.closed.Load() {
			return cleared, ErrClosed
		}
		switch err := s.stream.DeleteMsg(ctx, revision); {
		case err == nil:
			cleared++
		case s.there(ctx, revision):
			return cleared, fmt.Errorf("remove a tombstone: %w", err)
		}
	}
	return cleared, nil
}

// there reports whether a message is still there: that of a name that is used again
// is not.
func (s *Store[T]) there(ctx context.Context, revision uint64) bool {
	_, err := s.stream.GetMsg(ctx, revision)
	return !errors.Is(err, jetstream.ErrMsgNotFound)
}

// eachMessage calls fn with what is in blocks, whether JetStream knows of it or not. The
// last may be written to meanwhile, and end within a message.
func eachMessage(blocks []block, fn func(stored)) error {
	var buffer []byte
	for i, b := range blocks {
		var err error
		buffer, err = b.read(buffer, func(m stored) error { fn(m); return nil })
		var unfinished *damage
		if err != nil && (i < len(blocks)-1 || !errors.As(err, &unfinished)) {
			return err
		}
	}
	return nil
}
