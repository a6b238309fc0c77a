package ledger

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"thresher/core/guard"
)

// write is a change of one record, on its way to disk.
type write struct {
	kind     *kind
	key      string
	expected uint64 // revision it was decided on; 0: the record must not exist
	value    any    // *T; nil deletes
	data     []byte // value, encoded
	check    bool   // change nothing: the record must only still be at its revision
	adds     bool   // deciding anew would not help: the record exists

	revision uint64 // that it got; set before its operation is decided
}

// operation is writes that are committed together or not at all.
type operation struct {
	writes []*write
	state  atomic.Int32
	blobs  []string      // that are kept until it is decided; set before it is opUnclear
	done   chan struct{} // closed when decided
	err    error         // set before done is closed
}

// The states of an operation.
const (
	opQueued int32 = iota
	opTaken
	opWithdrawn
	opUnclear // its writer was told that it is not known
	opDecided
)

// decide tells the writer. Where it has gone, what it held is let go of.
func (l *Ledger) decide(o *operation, err error) {
	o.err = err
	awaited := o.state.CompareAndSwap(opTaken, opDecided)
	close(o.done)
	if !awaited {
		l.blobs.Release(o.blobs...)
		l.unclear.remove()
	}
}

// Bounds of one operation.
const (
	MaxWrites      = 500
	MaxCommitBytes = 16 << 20
)

const (
	queuedOps  = 1024    // that wait: more writers than that wait to be queued
	maxRound   = 512     // operations that are committed with one sync
	roundBytes = 4 << 20 // so that a round of large records stays quick

	// patience is how long a writer waits before it looks whether the disk works.
	patience = 2 * time.Second
)

// commit queues writes and waits until they are decided. ctx can take them back only
// while they are queued: once they are on their way, the answer is the truth, not a
// guess.
func (l *Ledger) commit(ctx context.Context, writes []*write) error {
	guard.Blocking("commit")
	bytes := 0
	for _, w := range writes {
		bytes += len(w.data)
	}
	if len(writes) > MaxWrites || bytes > MaxCommitBytes {
		return fmt.Errorf("%d writes of %d bytes in one commit: max %d and %d", len(writes), bytes, MaxWrites, MaxCommitBytes)
	}
	if err := l.admits(writes); err != nil {
		return err
	}
	o := &operation{writes: writes, done: make(chan struct{})}
	select {
	case l.queue <- o:
	case <-l.quit:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return l.await(ctx, o)
}

// admits refuses what the disk has no room for, and everything while it cannot be
// written to.
func (l *Ledger) admits(writes []*write) error {
	if err := l.Able(); err != nil {
		return err
	}
	for _, w := range writes {
		if w.expected == 0 && w.value != nil && !w.kind.usesReserve {
			return l.Room()
		}
	}
	return nil
}

// await waits until an operation is decided, or for long enough to say that the disk
// does not take it.
func (l *Ledger) await(ctx context.Context, o *operation) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	done := ctx.Done()
	for {
		select {
		case <-o.done:
			return o.err
		case <-l.finished: // it was queued after the committer had ended, or was its last
			return l.undecided(o, ErrClosed)
		case <-done:
			if o.state.CompareAndSwap(opQueued, opWithdrawn) {
				return context.Cause(ctx)
			}
			done = nil // it is on its way
		case <-timer.C:
			if err := l.holdsUp(); err != nil {
				return l.undecided(o, err)
			}
			timer.Reset(patience)
		}
	}
}

// undecided is the answer for an operation that the committer does not decide.
func (l *Ledger) undecided(o *operation, why error) error {
	if o.state.CompareAndSwap(opQueued, opWithdrawn) {
		return why
	}
	o.blobs = l.keepBlobs(o.writes)
	l.unclear.add(why)
	if o.state.CompareAndSwap(opTaken, opUnclear) {
		return fmt.Errorf("%w: %w", ErrUnclear, why)
	}
	<-o.done // just now
	l.blobs.Release(o.blobs...)
	l.unclear.remove()
	return o.err
}

// unclear counts the writes whose outcome is unknown: their writers were told ErrUnclear,
// and the disk has neither taken nor refused them yet.
type unclear struct {
	writes atomic.Int64
	why    atomic.Pointer[error] // of the newest
}

func (u *unclear) add(why error) {
	u.why.Store(&why)
	u.writes.Add(1)
}

func (u *unclear) remove() { u.writes.Add(-1) }

// any returns why there are such writes, or nil if there are none.
func (u *unclear) any() error {
	if u.writes.Load() == 0 {
		return nil
	}
	return *u.why.Load()
}

// keepBlobs holds the blobs that records name which may be written yet: their writer
// lets go of them.
func (l *Ledger) keepBlobs(writes []*write) (digests []string) {
	for _, w := range writes {
		if w.value != nil {
			digests = append(digests, w.kind.describe(w.key, w.value).blobs...)
		}
	}
	for _, d := range digests {
		l.blobs.references.claim(d, false)
	}
	return digests
}

// commitLoop is the only writer of the store below and of the view.
func (l *Ledger) commitLoop() {
	defer close(l.finished)
	for {
		ops, open := l.gather()
		if !open {
			return
		}
		l.commitRound(ops)
	}
}

// gather waits for an operation and adds what else waits, up to a round. It returns
// none where a block is being sealed and nothing waits, and reports false when the
// ledger was closed and nothing waits any more.
func (l *Ledger) gather() (ops []*operation, open bool) {
	if len(l.sealing) == 0 {
		select {
		case o := <-l.queue:
			ops = append(ops, o)
		case fn := <-l.calls:
			fn()
		case <-l.quit:
			ops = l.more(ops)
			return ops, len(ops) > 0
		}
		return l.more(ops), true
	}
	select {
	case fn := <-l.calls:
		fn()
	default:
	}
	return l.more(ops), true
}

func (l *Ledger) more(ops []*operation) []*operation {
	size := 0
	for len(ops) < maxRound && size < roundBytes {
		select {
		case o := <-l.queue:
			ops = append(ops, o)
			for _, w := range o.writes {
				size += len(w.data)
			}
		default:
			return ops
		}
	}
	return ops
}

// commitRound decides operations. They are committed in the order in which they came:
// of two that were decided on the same revision the first wins.
func (l *Ledger) commitRound(ops []*operation) {
	r := l.newRound()
	kept := ops[:0]
	for _, o := range ops {
		if !o.state.CompareAndSwap(opQueued, opTaken) {
			continue
		}
		if err := r.add(o); err != nil {
			l.decide(o, err)
			continue
		}
		kept = append(kept, o)
	}
	if err := r.commit(); err != nil {
		if len(ops) == 0 {
			l.sealing = nil // the next start goes on: there is no use in trying at once
		}
		for _, o := range kept {
			l.decide(o, err)
		}
		return
	}
	for _, o := range kept {
		l.decide(o, nil)
	}
}
