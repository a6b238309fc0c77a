package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/limit"
)

// Limits are what an operator may change while the server runs.
type Limits struct {
	Slots       int            `json:"slots"`        // jobs running at once
	PluginSlots map[string]int `json:"plugin_slots"` // of one plugin; no entry: no limit of its own
	QueueCap    int            `json:"queue_cap"`    // jobs waiting
	Job         job.Limits     `json:"job"`          // of a job that names none
	MaxJob      job.Limits     `json:"max_job"`      // the most that a job may name
}

// DefaultLimits are the limits of a new server: as many slots as cores.
func DefaultLimits() Limits {
	return Limits{
		Slots:       runtime.GOMAXPROCS(0),
		PluginSlots: map[string]int{},
		QueueCap:    10_000,
		Job: job.Limits{
			MemoryBytes: 256 << 20,
			WallSeconds: 3600,
			OutputBytes: 256 << 20,
			LogBytes:    1 << 20,
		},
		MaxJob: job.Limits{
			MemoryBytes: 4 << 30, // all that 32-bit WebAssembly can address
			WallSeconds: 7 * 24 * 3600,
			OutputBytes: 4 << 30,
			LogBytes:    16 << 20,
		},
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Slots == 0 {
		l.Slots = d.Slots
	}
	if l.PluginSlots == nil {
		l.PluginSlots = d.PluginSlots
	}
	if l.QueueCap == 0 {
		l.QueueCap = d.QueueCap
	}
	l.Job = orDefault(l.Job, d.Job)
	l.MaxJob = orDefault(l.MaxJob, d.MaxJob)
	return l
}

// orDefault fills in the fields that are 0.
func orDefault(l, d job.Limits) job.Limits {
	if l.MemoryBytes == 0 {
		l.MemoryBytes = d.MemoryBytes
	}
	if l.WallSeconds == 0 {
		l.WallSeconds = d.WallSeconds
	}
	if l.OutputBytes == 0 {
		l.OutputBytes = d.OutputBytes
	}
	if l.LogBytes == 0 {
		l.LogBytes = d.LogBytes
	}
	return l
}

// Most that any limit can be set to.
const (
	maxSlots    = 4096
	maxQueueCap = 10_000_000
)

func (l Limits) check() error {
	if l.Slots < 1 || l.Slots > maxSlots {
		return invalid("slots", "%d: want 1 to %d", l.Slots, maxSlots)
	}
	if l.QueueCap < 1 || l.QueueCap > maxQueueCap {
		return invalid("queue_cap", "%d: want 1 to %d", l.QueueCap, maxQueueCap)
	}
	for plugin, n := range l.PluginSlots {
		if n < 0 || n > maxSlots {
			return invalid("plugin_slots."+plugin, "%d: want 0 to %d", n, maxSlots)
		}
	}
	if err := checkJobLimits("max_job", l.MaxJob, hardest()); err != nil {
		return err
	}
	return checkJobLimits("job", l.Job, l.MaxJob)
}

func hardest() job.Limits {
	return job.Limits{MemoryBytes: 4 << 30, WallSeconds: 365 * 24 * 3600, OutputBytes: 1 << 40, LogBytes: 64 << 20}
}

func checkJobLimits(field string, l, most job.Limits) error {
	const page = 64 << 10 // memory comes in WebAssembly's pages
	if l.MemoryBytes < page || l.MemoryBytes > most.MemoryBytes {
		return invalid(field+".memory_bytes", "%d: want %d to %d", l.MemoryBytes, page, most.MemoryBytes)
	}
	if !(l.WallSeconds > 0 && l.WallSeconds <= most.WallSeconds) { // so that NaN is refused
		return invalid(field+".wall_seconds", "%g: want more than 0 and at most %g", l.WallSeconds, most.WallSeconds)
	}
	if l.OutputBytes < 1 || l.OutputBytes > most.OutputBytes {
		return invalid(field+".output_bytes", "%d: want 1 to %d", l.OutputBytes, most.OutputBytes)
	}
	if l.LogBytes < 1 || l.LogBytes > most.LogBytes {
		return invalid(field+".log_bytes", "%d: want 1 to %d", l.LogBytes, most.LogBytes)
	}
	return nil
}

func (l Limits) dispatch() dispatch.Limits {
	return dispatch.Limits{
		Limits:   limit.Limits{Slots: l.Slots, PluginSlots: maps.Clone(l.PluginSlots)},
		QueueCap: l.QueueCap,
	}
}

// jobLimits completes what a request names.
func (e *Engine) jobLimits(given *job.Limits) (job.Limits, error) {
	l := e.Limits()
	if given == nil {
		return l.Job, nil
	}
	limits := orDefault(*given, l.Job)
	return limits, checkJobLimits("limits", limits, l.MaxJob)
}

// Limits returns the limits in force.
func (e *Engine) Limits() (l Limits) {
	e.state.Must(func(s *engineState) {
		l = s.limits
		l.PluginSlots = maps.Clone(l.PluginSlots)
	})
	return l
}

const limitsKey = "limits"

// SetLimits changes the limits, all of them, durably. Jobs that run keep running: where there
// are more than the new limits allow, nothing starts until enough have ended.
func (e *Engine) SetLimits(ctx context.Context, l Limits) error {
	if l.PluginSlots == nil {
		l.PluginSlots = map[string]int{}
	}
	if err := l.check(); err != nil {
		return err
	}
	entry, err := e.settings.Get(ctx, limitsKey)
	if errors.Is(err, ledger.ErrNotFound) {
		_, err = e.settings.Create(ctx, limitsKey, l)
	} else if err == nil {
		_, err = e.settings.Update(ctx, limitsKey, entry.Revision, l)
	}
	if err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	e.useLimits(l)
	return nil
}

func (e *Engine) useLimits(l Limits) {
	e.state.Must(func(s *engineState) { s.limits = l })
	e.dispatch.SetLimits(l.dispatch())
}

// restoreLimits puts the limits that were set last in force.
func (e *Engine) restoreLimits(ctx context.Context) error {
	entry, err := e.settings.Get(ctx, limitsKey)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	e.useLimits(entry.Value)
	return nil
}
