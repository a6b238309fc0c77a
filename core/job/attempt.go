package job

import (
	"slices"
	"time"
)

// Bounds of what a record keeps of attempts, for whoever bounds its size.
const (
	MaxAttempts      = 10       // the newest that ended without an outcome
	MaxAttemptsBytes = 24 << 10 // of all of them together, encoded
)

// How an attempt without an outcome ended.
const (
	AttemptLost       = "lost"        // its server or worker ended without a report
	AttemptHandedBack = "handed_back" // its server shut down
)

// Attempt is a run of the guest that ended without an outcome.
type Attempt struct {
	Number  int        `json:"number"` // from 1
	Node    string     `json:"node"`
	Started *time.Time `json:"started,omitempty"`
	Ended   time.Time  `json:"ended"` // where it was lost: when that was noticed
	Ending  string     `json:"ending" enum:"lost,handed_back"`
	Left
}

// Left is what is known of a run that has no outcome. Of a lost one it is a sample
// taken while it ran, up to a second before its end.
type Left struct {
	Progress *Progress `json:"progress,omitempty"` // the last one reported
	Usage    Usage     `json:"usage"`
	Log      *Log      `json:"log,omitempty"`
}

// outcome is that of a job that ends with such a run.
func (l Left) outcome() Outcome { return Outcome{Progress: l.Progress, Usage: l.Usage, Log: l.Log} }

// endAttempt notes the attempt under way, which ended without an outcome.
func endAttempt(r Record, ending string, left Left, at time.Time) Record {
	a := Attempt{Number: r.Attempt, Started: r.Started, Ended: at, Ending: ending, Left: left}
	if r.Lease != nil {
		a.Node = r.Lease.Node
	}
	r.Attempts = append(slices.Clone(r.Attempts), a)
	if over := len(r.Attempts) - MaxAttempts; over > 0 {
		r.Attempts = r.Attempts[over:]
		r.AttemptsDropped += over
	}
	return r
}
