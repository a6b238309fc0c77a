package core

import (
	"errors"
	"fmt"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/schema"
	"thresher/core/table"
)

// What callers tell apart. Each is wrapped by the error that carries the story.
var (
	ErrNotFound     = errors.New("not found")
	ErrShuttingDown = errors.New("the server is shutting down")
	ErrInUse        = errors.New("in use")
)

// Invalid says which part of a request is wrong, and how.
type Invalid struct {
	Field   string // such as "inputs.data"; empty for the request as a whole
	Message string
}

func (e *Invalid) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

func invalid(field, format string, args ...any) error {
	return &Invalid{Field: field, Message: fmt.Sprintf(format, args...)}
}

// InvalidParams says how params do not fit the routine's schema.
type InvalidParams struct {
	Routine    string
	Violations schema.Invalid
}

func (e *InvalidParams) Error() string {
	return fmt.Sprintf("params of %s: %v", e.Routine, e.Violations)
}

// Refused says no under a code of its own.
type Refused struct {
	Code   string
	Detail string
}

func (e *Refused) Error() string { return e.Detail }

// Code returns the stable code of an error, as problems and the command line show
// it: docs/errors.md lists them. An error that is none of the engine's is
// "internal".
func Code(err error) string {
	var (
		bad      *Invalid
		params   *InvalidParams
		illegal  *job.IllegalMove
		imported *table.ImportError
		parked   *TooManyPaused
		reused   *KeyReused
		refused  *Refused
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &bad):
		return "invalid"
	case errors.As(err, &params):
		return "invalid_params"
	case errors.Is(err, table.ErrTooWide):
		return "table_too_wide"
	case errors.As(err, &imported):
		return "bad_table"
	case errors.As(err, &illegal):
		return "illegal_move"
	case errors.As(err, &parked):
		return "too_many_paused"
	case errors.As(err, &reused):
		return "key_reused"
	case errors.As(err, &refused):
		return refused.Code
	case errors.Is(err, ledger.ErrDamaged):
		return "blob_damaged"
	case errors.Is(err, ErrNotFound), errors.Is(err, ledger.ErrNotFound):
		return "not_found"
	case errors.Is(err, dispatch.ErrQueueFull):
		return "queue_full"
	case errors.Is(err, ErrShuttingDown), errors.Is(err, ledger.ErrClosed):
		return "shutting_down"
	case errors.Is(err, ErrImportFailed):
		return "import_failed"
	case errors.Is(err, ledger.ErrRecordTooLarge):
		return "record_too_large"
	case errors.Is(err, ledger.ErrTooLarge):
		return "too_large"
	case errors.Is(err, ErrInUse):
		return "in_use"
	case errors.Is(err, ledger.ErrTooBroad):
		return "filter_too_broad"
	case errors.Is(err, ledger.ErrUnclear), errors.Is(err, ledger.ErrDisabled):
		return "store_stalled"
	case errors.Is(err, ledger.ErrCorrupt):
		return "store_damaged"
	case errors.Is(err, ledger.ErrDiskFull):
		return "disk_full"
	case errors.Is(err, ledger.ErrConflict), errors.Is(err, ledger.ErrExists):
		return "conflict"
	}
	return "internal"
}
