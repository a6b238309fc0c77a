package ledger

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// merging watches how the store below merges its files in the background. The store
// retries a merge that failed, and holds writes up while too many files wait. It does not
// report that both are the case, although no write can end then.
type merging struct {
	log     *slog.Logger
	failed  atomic.Pointer[error] // why it fails, unless the last merge went well
	stalled atomic.Bool           // writes are held up
}

// able returns why writes are held up and will be, or nil.
func (m *merging) able() error {
	if why := m.failed.Load(); why != nil && m.stalled.Load() {
		return fmt.Errorf("%w: %w, which fails: %w", ErrDisabled, ErrStalled, *why)
	}
	return nil
}

func (m *merging) ended(info pebble.CompactionInfo) {
	switch {
	case errors.Is(info.Err, pebble.ErrCancelledCompaction):
	case info.Err != nil:
		if m.failed.Swap(&info.Err) == nil {
			m.log.Error("store cannot merge its files: writes go on until too many wait", "error", reasonOf(info.Err))
		}
	default:
		if m.failed.Swap(nil) != nil {
			m.log.Info("store merges its files again")
		}
	}
}

// listen adds what it must hear of.
func (m *merging) listen(to *pebble.EventListener) {
	to.CompactionEnd = m.ended
	to.WriteStallBegin = func(pebble.WriteStallBeginInfo) { m.stalled.Store(true) }
	to.WriteStallEnd = func() { m.stalled.Store(false) }
}
