package core

import (
	"bytes"
	"context"
	"time"

	"thresher/core/ledger"
	"thresher/core/table"
)

// Crash ends the engine as a kill of its process would: what was acknowledged is on
// disk, and nothing more is written, whatever its guests still have to say.
func (e *Engine) Crash() {
	_ = e.ledger.Close(context.Background())
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.Close(now) // what it says is that nothing can be written
}

// PutSealed gives a name to a table whose file is sealed already, as another program, or
// an earlier one, has sealed it.
func (e *Engine) PutSealed(ctx context.Context, name string, file []byte, info table.Info) (Dataset, error) {
	blob, err := e.ledger.Blobs().Put(ctx, bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return Dataset{}, err
	}
	defer e.ledger.Blobs().Release(blob.Digest)
	return e.nameDataset(ctx, Dataset{Name: name, Tables: []DatasetTable{{Name: DefaultTable, Digest: blob.Digest, Bytes: blob.Bytes, Info: info}}})
}

// CheckBlob reads a file and holds it against its digest.
func (e *Engine) CheckBlob(ctx context.Context, digest string) error {
	return e.ledger.Blobs().Check(ctx, ledger.Unsized(digest))
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
