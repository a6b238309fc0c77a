// Package guard holds shared mutable state so that it cannot be reached without
// its lock.
//
// A [Value] owns its data. The only way in is [Value.Do], which takes the lock,
// hands the data to a function, and gives the lock back when the function
// returns. There is no getter and no exported mutex, so "the wrong lock", "two
// kinds of lock" and "forgot to lock" cannot be written. Waiting for a lock ends
// when the caller's context ends.
//
// Each Value has a [Rank]. A goroutine that holds a value may only take values
// of a higher rank; in tests a breach panics at the first attempt, before it can
// become a deadlock that needs bad luck to show. What waits for a disk says so with
// [Blocking], which panics in tests if a value is held. Wait and hold times are
// metrics, and a holder that keeps the lock too long is logged with its stack.
//
// guard does not stop a function from keeping a pointer into the data after it
// returned; Do's argument is documented as valid only within the call, and the
// race detector, which all tests run under, finds the rest.
package guard

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Rank orders locks: a goroutine takes them in rising rank only.
type Rank int

// The ranks, outermost first. docs/locking.md says what each guards.
const (
	RankEngine   Rank = 10 // core: open and closed
	RankDispatch Rank = 20 // core/dispatch: queue and slots
	RankWork     Rank = 30 // core/work: guests in this process
	RankAttempt  Rank = 40 // core/work: one guest's outputs and progress
	RankRegistry Rank = 45 // plugins/registry: verifications under way, failures in a row
	RankView     Rank = 50 // core/ledger: committed records
	RankPages    Rank = 55 // core: encoded pages of jobs
	RankFeed     Rank = 60 // core/feed: subscribers
	RankTable    Rank = 70 // core/table: a table that grows
	RankSandbox  Rank = 80 // plugins/sandbox: loaded modules
	RankBlobs    Rank = 90 // core/ledger: who holds which blob
	RankClock    Rank = 95 // core/clock: what time has passed; asked under any other
)

// SlowHold is how long a lock may be held before its holder is logged. Locks
// guard memory only, so anything near it is a mistake.
const SlowHold = 50 * time.Millisecond

// Value holds a T that is reached only with its lock held. Values are made by
// [New] and must not be copied; all methods may be called concurrently.
type Value[T any] struct {
	name    string
	rank    Rank
	lock    chan struct{} // holds a token while the lock is free
	metrics *lockMetrics
	value   T // guarded by lock
}

// New returns a value under a lock. Locks of one name share their metrics, so
// name what is guarded, not the instance.
func New[T any](name string, rank Rank, value T) *Value[T] {
	v := &Value[T]{
		name:    name,
		rank:    rank,
		lock:    make(chan struct{}, 1),
		metrics: metricsFor(name),
		value:   value,
	}
	v.lock <- struct{}{}
	return v
}

// Do calls fn with the lock held. The pointer is valid only until fn returns.
// fn must not block: no I/O, no channel that may be full, no guest.
//
// Do returns the cause of ctx, without calling fn, if ctx ends before the lock
// is free. A context that has ended already gets the lock if it is free: the
// work that waits behind a lock is short, and clean-up must be able to run.
func (v *Value[T]) Do(ctx context.Context, fn func(*T)) error {
	release, err := v.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	v.hold(fn)
	return nil
}

// Must calls fn with the lock held, however long it takes to get it. It is for
// code that has no context to give up with, such as reading a metric.
func (v *Value[T]) Must(fn func(*T)) {
	_ = v.Do(context.Background(), fn) // the background context never ends
}

// hold is a frame of its own, so that a stack dump shows who holds a lock: see
// holders.
//
//go:noinline
func (v *Value[T]) hold(fn func(*T)) { fn(&v.value) }

func (v *Value[T]) acquire(ctx context.Context) (release func(), err error) {
	leave := enter(v.rank, v.name)
	if v.spin() {
		v.metrics.waited(0)
	} else if err := v.wait(ctx); err != nil {
		leave()
		return nil, err
	}
	since := time.Now()
	return func() {
		held := time.Since(since)
		v.lock <- struct{}{}
		leave()
		v.metrics.held(held)
		if held > SlowHold {
			slog.Warn("lock held too long", "lock", v.name, "held", held, "stack", string(debug.Stack()))
		}
	}, nil
}

// spins is how often a lock is asked for before its turn is waited for. Most are held
// for less than a microsecond; to wait takes longer than that, and tens of them where a
// goroutine has a thread of its own, as those have that run guests.
const spins = 100

func (v *Value[T]) spin() (taken bool) {
	for range spins {
		select {
		case <-v.lock:
			return true
		default:
		}
	}
	return false
}

// wait blocks until the lock is taken or ctx ends. A wait past SlowHold logs who
// holds the lock, so that a holder that never lets go is seen too.
func (v *Value[T]) wait(ctx context.Context) error {
	start := time.Now()
	slow := time.NewTimer(SlowHold)
	defer slow.Stop()
	for {
		select {
		case <-v.lock:
			v.metrics.waited(time.Since(start))
			return nil
		case <-ctx.Done():
			v.metrics.gaveUp()
			return fmt.Errorf("lock %s: %w", v.name, context.Cause(ctx))
		case <-slow.C:
			if v.metrics.mayWarn() {
				slog.Warn("lock waited for too long", "lock", v.name, "waited", time.Since(start), "holders", holders())
			}
		}
	}
}
