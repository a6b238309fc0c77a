package job

// Phase is where a job is in its life.
type Phase string

// The phases. Completed, Failed and Stopped are final.
const (
	Pending   Phase = "pending"
	Running   Phase = "running"
	Paused    Phase = "paused"
	Completed Phase = "completed"
	Failed    Phase = "failed"
	Stopped   Phase = "stopped"
)

// Phases lists every phase, in the order of a job's life.
var Phases = []Phase{Pending, Running, Paused, Completed, Failed, Stopped}

// Final reports whether the phase is one that a job never leaves.
func (p Phase) Final() bool { return p == Completed || p == Failed || p == Stopped }

// Desired is what the user wants of a job. A request changes it; where a worker
// holds the guest, the phase follows when the worker confirms.
type Desired string

// The desires.
const (
	WantRun   Desired = "run"
	WantPause Desired = "pause"
	WantStop  Desired = "stop"
)
