package core

import (
	"context"
	"time"
)

// Crash ends the engine as a kill of its process would: what was acknowledged is on
// disk, and nothing more is written, whatever its guests still have to say.
func (e *Engine) Crash() {
	_ = e.ledger.Close(context.Background())
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.Close(now) // what it says is that nothing can be written
}

// PagesKept is how many bytes of pages are kept, each counted.
func (e *Engine) PagesKept() (bytes int) {
	e.pages.kept.Must(func(k *keptPages) {
		for key, page := range k.byKey {
			bytes += len(key) + len(page)
		}
	})
	return bytes
}

// Drain waits until the workers have looked at every grant that was passed to them.
func (e *Engine) Drain() { e.pool.Drain(context.Background()) }

// NewIDs returns a source of ids.
func NewIDs(now func() time.Time) func() string { return newIDs(now).next }

// LeastMemory is the least that any source names.
var LeastMemory = leastMemory
