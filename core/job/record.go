// Package job holds the job record and the pure function that changes it.
//
// A record is the only truth about a job. It changes by [Apply] and by nothing
// else: Apply takes a record and an event and returns the record that follows, or
// an error that says why the event is illegal there. It has no clock, no lock and
// no I/O; the ledger stores what it returns by compare-and-swap on the revision.
package job

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"thresher/core/routine"
)

// Record is the durable state of one job.
type Record struct {
	ID     string `json:"id"` // ULID: ids sort by submit time
	Tenant string `json:"tenant"`
	Spec   Spec   `json:"spec"`

	Desired Desired `json:"desired"`          // what the user wants
	Phase   Phase   `json:"phase"`            // what is
	Lease   *Lease  `json:"lease,omitempty"`  // present exactly while a worker holds the guest
	Epoch   uint64  `json:"epoch,omitempty"`  // of the newest lease; an older worker's words are refused
	Attempt int     `json:"attempt"`          // times the guest was started
	Losses  int     `json:"losses,omitempty"` // attempts that ended because the worker was lost
	// LocksSince is when it got the locks that it holds without a worker: it was paused, and
	// its guest went with the server. It gives them back when it ends.
	LocksSince *time.Time `json:"locks_since,omitempty"`

	Created time.Time  `json:"created"`
	Started *time.Time `json:"started,omitempty"` // of the newest attempt
	Ended   *time.Time `json:"ended,omitempty"`

	Attempts        []Attempt `json:"attempts,omitempty"`         // that ended without an outcome, oldest first; the newest MaxAttempts
	AttemptsDropped int       `json:"attempts_dropped,omitempty"` // older ones

	Outcome  *Outcome `json:"outcome,omitempty"`   // set with a final phase
	CacheHit string   `json:"cache_hit,omitempty"` // the job whose run made the outcome, where it was another's
	Pinned   bool     `json:"pinned,omitempty"`    // retention leaves it alone
}

// Spec is what was submitted. It never changes.
type Spec struct {
	Routine  string            `json:"routine"` // plugin/routine
	Version  string            `json:"version"` // of the plugin
	Digest   string            `json:"digest"`  // of the plugin's module: what will run
	Kind     routine.Kind      `json:"kind"`
	Params   json.RawMessage   `json:"params"` // with defaults filled in
	Inputs   map[string]Input  `json:"inputs,omitempty"`
	Seed     uint64            `json:"seed"`
	Labels   map[string]string `json:"labels,omitempty"`
	Priority Priority          `json:"priority,omitempty"`
	Limits   Limits            `json:"limits"`
	Locks    []Lock            `json:"locks,omitempty"` // held from its start to its end, or until its worker is lost; sorted by name
	After    []string          `json:"after,omitempty"` // jobs that must complete first

	Batch    string   `json:"batch,omitempty"`     // the batch that it is part of
	Origin   string   `json:"origin,omitempty"`    // the job that it repeats
	Root     string   `json:"root,omitempty"`      // the first job of its lineage: where the chain of origins begins
	Bulk     string   `json:"bulk,omitempty"`      // the bulk action that made it
	CacheKey string   `json:"cache_key,omitempty"` // of all that decides the result; empty: its run is its own
	QueueKey string   `json:"queue_key,omitempty"` // of what was asked for, where one that waits is enough; else empty
	Request  *Request `json:"request,omitempty"`   // what makes the submit idempotent
}

// Plugin returns the name of the plugin that the job runs.
func (s Spec) Plugin() string {
	plugin, _, _ := strings.Cut(s.Routine, "/")
	return plugin
}

// Lock is a named lock that a job holds while it runs or is paused.
type Lock struct {
	Name  string `json:"name"`
	Limit int    `json:"limit,omitempty"` // most jobs that may hold it; default 1, a mutex
}

// Request identifies a submit, so that repeating it returns the same job.
type Request struct {
	Key    string `json:"key"`    // the client's own, unique for its tenant
	Digest string `json:"digest"` // of what was asked for
}

// Input is a table that a job reads: a dataset's, pinned to a digest at submit,
// or another job's, pinned when that job has completed.
type Input struct {
	Source string `json:"source"`           // as submitted: NAME[/TABLE] or job:ID/TABLE
	Job    string `json:"job,omitempty"`    // the job that makes it
	Table  string `json:"table"`            // within the dataset or job
	Digest string `json:"digest,omitempty"` // of the sealed table; empty for a job's table, whose record names it
}

// Dataset names the dataset of an input that is no job's table.
func (in Input) Dataset() string {
	name, _, _ := strings.Cut(in.Source, "/")
	return name
}

// Priority orders waiting jobs. The zero value is Normal.
type Priority int8

// The priorities.
const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// String returns the priority's name.
func (p Priority) String() string {
	switch {
	case p < Normal:
		return "low"
	case p > Normal:
		return "high"
	}
	return "normal"
}

// Limits bound one job. In a stored spec every field is set.
type Limits struct {
	MemoryBytes int64   `json:"memory_bytes,omitempty"` // guest memory
	WallSeconds float64 `json:"wall_seconds,omitempty"` // running time; stands still while paused
	CPUSeconds  float64 `json:"cpu_seconds,omitempty"`  // of the guest's thread, what the host does for it included; 0: no limit
	Gas         int64   `json:"gas,omitempty"`          // what its instructions cost; 0: no limit
	OutputBytes int64   `json:"output_bytes,omitempty"` // result, tables and artifacts together
	Artifacts   int     `json:"artifacts,omitempty"`    // how many
	LogBytes    int64   `json:"log_bytes,omitempty"`    // log kept; the rest is dropped and counted
}

// HoldsLocks reports whether the job holds the locks that it names.
func (r Record) HoldsLocks() bool {
	return len(r.Spec.Locks) > 0 && (r.Lease != nil || r.LocksSince != nil)
}

// Lease says who runs the job.
type Lease struct {
	Node  string    `json:"node"`
	Since time.Time `json:"since"`
}

// Outcome is what a final job leaves.
type Outcome struct {
	Result    json.RawMessage `json:"result,omitempty"`      // inline up to 64 KiB
	ResultRef *Blob           `json:"result_blob,omitempty"` // a larger one
	Tables    []Table         `json:"tables,omitempty"`
	Artifacts []Artifact      `json:"artifacts,omitempty"`
	Log       *Log            `json:"log,omitempty"`
	Progress  *Progress       `json:"progress,omitempty"` // the last one reported
	Usage     Usage           `json:"usage"`
	Error     *Error          `json:"error,omitempty"` // set when failed
}

// Blob is content kept outside the record.
type Blob struct {
	Digest string `json:"digest"` // SHA-256, hex
	Bytes  int64  `json:"bytes"`
}

// Table is a sealed table.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	Blob
}

// Artifact is a named file, such as a chart.
type Artifact struct {
	Name  string `json:"name"`
	Media string `json:"media_type"`
	Blob
}

// Log is a job's captured output.
type Log struct {
	Blob
	Dropped int64 `json:"dropped_bytes,omitempty"` // written past the limit
}

// Progress is how far a job says it is.
type Progress struct {
	Fraction float64 `json:"fraction"` // 0 to 1
	Message  string  `json:"message,omitempty"`
}

// Usage is what an attempt took.
type Usage struct {
	WallSeconds     float64 `json:"wall_seconds"` // running, without pauses
	CPUSeconds      float64 `json:"cpu_seconds"`
	Gas             int64   `json:"gas"`
	PeakMemoryBytes int64   `json:"peak_memory_bytes"`
	OutputBytes     int64   `json:"output_bytes"`
	LogBytes        int64   `json:"log_bytes"` // written, kept or not
}

// Error says why a job failed.
type Error struct {
	Code   string   `json:"code"` // stable; listed in docs/errors.md
	Title  string   `json:"title"`
	Detail string   `json:"detail,omitempty"`
	Stack  []string `json:"stack,omitempty"` // the guest's frames, innermost first
}

// OutputLimit is the failure of a job that put out more than it may.
func OutputLimit(format string, args ...any) *Error {
	return &Error{Code: "output_limit", Title: "The job put out too much", Detail: fmt.Sprintf(format, args...)}
}

// Error makes a job's failure an error value, so that a sandbox can return it.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code + ": " + e.Title
	}
	return e.Code + ": " + e.Title + ": " + e.Detail
}
