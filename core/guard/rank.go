package guard

import (
	"bytes"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// checkRanks is on in tests only: all locks that are taken anywhere are listed under one
// mutex. A run with benchmarks goes without, or it would measure that.
var checkRanks = sync.OnceValue(func() bool {
	return testing.Testing() && flag.Lookup("test.bench").Value.String() == ""
})

// held lists, by goroutine, the locks it holds or waits for, outermost first.
var held = struct {
	mu sync.Mutex // innermost of all; guards by
	by map[uint64][]heldLock
}{by: map[uint64][]heldLock{}}

type heldLock struct {
	rank Rank
	name string
}

// enter records that this goroutine is about to take a lock, and panics if it
// already holds one of the same or a higher rank. The function returned undoes
// the record and must be called by the same goroutine.
func enter(rank Rank, name string) (leave func()) {
	if !checkRanks() {
		return func() {}
	}
	id := goroutineID()
	held.mu.Lock()
	defer held.mu.Unlock()
	stack := held.by[id]
	if n := len(stack); n > 0 && stack[n-1].rank >= rank {
		panic(fmt.Sprintf("lock order: %s (rank %d) taken while holding %s (rank %d)",
			name, rank, stack[n-1].name, stack[n-1].rank))
	}
	held.by[id] = append(stack, heldLock{rank, name})
	return func() { pop(id) }
}

// Blocking says that the caller is about to wait for something other than a lock, such as
// a disk. In tests it panics if this goroutine holds a [Value].
func Blocking(what string) {
	if !checkRanks() {
		return
	}
	id := goroutineID()
	held.mu.Lock()
	defer held.mu.Unlock()
	if stack := held.by[id]; len(stack) > 0 {
		panic(fmt.Sprintf("%s while holding %s (rank %d)", what, stack[len(stack)-1].name, stack[len(stack)-1].rank))
	}
}

func pop(id uint64) {
	held.mu.Lock()
	defer held.mu.Unlock()
	stack := held.by[id]
	if len(stack) == 1 {
		delete(held.by, id)
		return
	}
	held.by[id] = stack[:len(stack)-1]
}

// holders returns the stacks of the goroutines that are inside a Value, which
// are the suspects when a lock does not come free.
func holders() string {
	buf := make([]byte, 1<<20) // a bound; a larger dump is cut
	buf = buf[:runtime.Stack(buf, true)]
	var inside [][]byte
	for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("guard.(*Value[...]).hold(")) {
			inside = append(inside, stack)
		}
	}
	return string(bytes.Join(inside, []byte("\n\n")))
}
