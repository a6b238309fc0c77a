package core

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"thresher/core/job"
)

// Stats is a summary of what the engine holds and does.
type Stats struct {
	Jobs               map[job.Phase]int `json:"jobs"`    // by phase
	Running            int               `json:"running"` // that hold a slot
	Waiting            int               `json:"waiting"` // for a slot, or for another job
	Slots              int               `json:"slots"`
	QueueCap           int               `json:"queue_cap"`
	MemoryBytes        int64             `json:"memory_bytes"` // reserved by jobs
	MemoryBudget       int64             `json:"memory_budget_bytes"`
	Pruned             uint64            `json:"pruned"` // jobs deleted by retention since the start
	Datasets           int               `json:"datasets"`
	Subscribers        int               `json:"subscribers"`
	DroppedSubscribers uint64            `json:"dropped_subscribers"`
	Inconsistencies    uint64            `json:"inconsistencies"` // found by audits since the start
	BlobsDamaged       int               `json:"blobs_damaged"`   // known at this moment
	RecordsDamaged     int               `json:"records_damaged"` // by the last check of all records
	Scrub              Scrub             `json:"scrub"`
	Revision           uint64            `json:"revision"` // of the newest change to a job
	Uptime             float64           `json:"uptime_seconds"`
	ClockJumps         uint64            `json:"clock_jumps"`        // noticed since the start
	ClockHolds         bool              `json:"clock_holds"`        // one of them keeps jobs from being deleted for their age
	DiskFree           int64             `json:"disk_free_bytes"`    // on the data folder's disk
	DiskReserve        int64             `json:"disk_reserve_bytes"` // with less free than this, new work is refused
}

// Scrub is how far the check of all blobs is that runs all the time.
type Scrub struct {
	Fraction float64    `json:"fraction"` // of the pass
	Started  time.Time  `json:"started"`
	Files    int64      `json:"files"` // checked in the pass
	Bytes    int64      `json:"bytes"`
	Finished *time.Time `json:"finished,omitempty"` // when the last pass ended
}

func (e *Engine) scrubbed() Scrub {
	s := e.ledger.Blobs().Scrubbed()
	scrub := Scrub{Fraction: s.Fraction(), Started: s.Started, Files: s.Files, Bytes: s.Bytes}
	if !s.Finished.IsZero() {
		scrub.Finished = &s.Finished
	}
	return scrub
}

// Stats counts.
func (e *Engine) Stats(ctx context.Context) (Stats, error) {
	terms := make([]string, len(job.Phases))
	for i, p := range job.Phases {
		terms[i] = "phase=" + string(p)
	}
	jobs, err := e.jobs.Counts(ctx, terms...)
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	datasets, err := e.datasets.Count(ctx, "")
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	l := e.Limits()
	s := Stats{
		Jobs:            make(map[job.Phase]int, len(job.Phases)),
		Slots:           l.Slots,
		QueueCap:        l.QueueCap,
		MemoryBytes:     e.dispatch.Memory(),
		MemoryBudget:    l.MemoryBytes,
		Pruned:          e.pruned.Load(),
		Datasets:        datasets,
		Inconsistencies: e.inconsistencies.Load(),
		BlobsDamaged:    len(e.ledger.Blobs().Damaged()),
		RecordsDamaged:  len(e.ledger.DamagedRecords()),
		Scrub:           e.scrubbed(),
		Revision:        e.jobs.Revision(),
		Uptime:          e.cfg.Now().Sub(e.started).Round(time.Millisecond).Seconds(),
	}
	for i, n := range jobs {
		s.Jobs[job.Phases[i]] = n
	}
	known := e.Clock()
	s.ClockJumps, s.ClockHolds = known.Noticed, known.Holds
	if s.DiskFree, s.DiskReserve, err = e.ledger.Free(); err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	s.Running, s.Waiting = e.dispatch.Counts()
	s.Subscribers, s.DroppedSubscribers = e.hub.Counts()
	return s, nil
}

// Routines lists what a tenant can run: its own plugins, and those that are everyone's.
func (e *Engine) Routines(ctx context.Context, tenant string) ([]Plugin, error) {
	return e.plugins.Available(ctx, cmp.Or(tenant, DefaultTenant))
}

// Recovery is how far a start is that reads all records of a kind.
type Recovery struct {
	Kind string `json:"kind"` // such as "jobs"
	Read uint64 `json:"read"` // records
	Of   uint64 `json:"of"`
}

// Readiness says whether the engine takes submits.
type Readiness struct {
	Ready     bool       `json:"ready"`
	Code      string     `json:"code,omitempty" enum:"starting,recovering,shutting_down,disk_full,store_stalled"` // why not
	Reason    string     `json:"reason,omitempty"`                                                                // why not, or what is not done yet
	Recovery  *Recovery  `json:"recovery,omitempty"`                                                              // how far it is, where the code is recovering
	Compiling *Compiling `json:"compiling,omitempty"`                                                             // jobs of those plugins wait
	Clock     string     `json:"clock,omitempty"`                                                                 // a jump of the wall clock that holds deletions back
}

// Ready reports whether the engine takes submits: as long as it does, the next one is
// refused for nothing but what it asks for, or a full queue.
func (e *Engine) Ready() Readiness {
	if e.closing.Load() {
		return Readiness{Code: "shutting_down", Reason: "shutting down"}
	}
	r := Readiness{Ready: true, Compiling: e.plugins.Compiling(), Clock: e.clockWarning()}
	switch err := e.ledger.Room(); {
	case err != nil:
		r.Ready, r.Code, r.Reason = false, Code(err), err.Error()
	case r.Compiling != nil:
		r.Reason = r.Compiling.String()
	}
	return r
}
