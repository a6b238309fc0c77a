package work

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
)

// ErrUnready is wrapped by the error of a [Runner] whose module cannot be run now.
var ErrUnready = errors.New("the module is not ready")

// Runner runs a guest. It is what a sandbox offers the core.
type Runner interface {
	// Run runs the routine that call names and returns when the guest is gone.
	// When ctx ends it returns [context.Cause] of ctx, wrapped or not, however
	// the guest behaved. A failure of the guest is a *[job.Error]. One that wraps
	// [ErrUnready] says that no guest ran, because its module is not ready: the job is
	// pending again. Any other error is a fault of the host.
	Run(ctx context.Context, call Call) (Report, error)
}

// ModuleLoader is a [Runner] whose modules may have to be loaded before a guest can run.
// Loading is not running time: it may mean compiling, and the wall limit begins after it.
type ModuleLoader interface {
	// LoadModule returns when the module with that digest is loaded, and keeps it loaded
	// until release is called. Its errors are those of [Runner.Run].
	LoadModule(ctx context.Context, digest string) (release func(), err error)
}

// Call is one attempt of a job, as a [Runner] sees it.
type Call struct {
	Job     string
	Digest  string // SHA-256 of the plugin's module, hex
	Routine string // name within the plugin
	Kind    routine.Kind
	Params  json.RawMessage
	Seed    uint64
	Limits  job.Limits
	Inputs  map[string]*table.File // by the names that the routine declares; closed by the caller
	File    *File                  // what an importer reads; of all others nil
	Host    Host
	Meter   *Meter // told now and then what the guest has used; may be nil
}

// File is the bytes that an importer makes tables of.
type File struct {
	io.ReaderAt
	Bytes int64
}

// Report is what a guest's run came to. It is meaningful beside an error too.
type Report struct {
	Result          json.RawMessage // nil if the guest wrote none
	PeakMemoryBytes int64
	CPUSeconds      float64
	Gas             int64
}

// Host is what a running guest can reach. Its methods may be called by one
// goroutine at a time.
type Host interface {
	// Gate is called before every host call of the guest. It returns nil while
	// the job may run, waits while the job is paused, and returns the cause of
	// ctx once that ends.
	Gate(ctx context.Context) error
	// Progress publishes how far the job is: fraction from 0 to 1.
	Progress(fraction float64, message string)
	// Log appends to the job's log. What is past the log's limit is counted
	// and dropped.
	Log(p []byte)
	// Append adds rows to the output table name, which the first call makes
	// with the batch's schema. It takes no ownership of the batch. A different
	// schema later, or more than the output limit, is a *[job.Error].
	Append(name string, rows arrow.RecordBatch) error
	// Artifact keeps content, which it reads to its end, under a name. A name used
	// before or more than the output limit is a *[job.Error]. Whoever offers content
	// that is long asks Gate as it is read.
	Artifact(ctx context.Context, name, mediaType string, content Content) error
}

// Content is something to read, of a known size.
type Content interface {
	io.Reader
	Size() int64
}
