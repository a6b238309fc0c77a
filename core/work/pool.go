// Package work runs granted jobs and reports what came of them.
//
// A [Pool] holds the guests of this process. For each grant it starts a
// goroutine that writes the grant while the guest already runs, watches the
// job's desire, and writes the outcome once, under the lease that the grant gave
// it. The grant and the outcome of a guest that ends at once are one write. A guest
// whose grant is refused is ended and leaves no trace. Outputs stay in
// temporary files until the guest has ended, and are sealed before the record
// names them, so that a record never points at something that is not there.
//
// The pool decides nothing about order or limits: that is dispatch.
package work

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
)

// Why a guest is ended from outside. They are the causes of its context.
var (
	errStopped      = errors.New("stop desired")
	errWallLimit    = errors.New("wall limit reached")
	errGrantRefused = errors.New("grant refused")
	errDrained      = errors.New("server shuts down")
	errLeaseLost    = errors.New("lease lost")
)

// Store is what the pool needs of the ledger's jobs.
type Store interface {
	Get(ctx context.Context, id string) (ledger.Entry[job.Record], error)
	Modify(ctx context.Context, id string, change func(*job.Record) (*job.Record, error)) (ledger.Entry[job.Record], error)
}

// News is told what a running job says of itself. Its methods must not block.
type News interface {
	Progress(id string, p job.Progress)
	Log(id string, text []byte)
}

// Config says how a pool works. All fields but Tables, Holds, Unready, Now, Node and Log are
// needed.
type Config struct {
	Store  Store
	Blobs  *ledger.Blobs
	Tables *table.Cache // opens inputs; nil: none is cached
	Runner Runner
	News   News
	// Claim asks the dispatcher whether a grant stands and nobody else has taken it up.
	Claim func(id string) bool
	// Holds reports whether a batch is on hold, so that no job of it may start. May be nil:
	// none is.
	Holds func(batch string) bool
	// Settle tells the dispatcher that a claimed grant is decided.
	Settle func(id string)
	// Unready tells the dispatcher that a module was not ready, before the job is pending
	// again.
	Unready func(digest string)
	// Park tells that a claimed job waits for a damaged blob to be whole again. It is
	// settled next.
	Park    func(id string, bad *ledger.Damaged)
	Samples string           // folder for what running guests have left so far; empty: none is kept
	Node    string           // default "local"
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default slog.Default()
}

// Pool runs guests. Its methods may be called concurrently.
type Pool struct {
	Config
	attempts *guard.Value[map[string]*attempt]
	running  errgroup.Group // every goroutine that the pool started

	draining atomic.Bool     // set once attempts that are parked are to be handed back
	life     context.Context // of every attempt; ends with errDrained
	end      context.CancelCauseFunc
}

// NewPool returns an empty pool.
func NewPool(cfg Config) *Pool {
	if cfg.Node == "" {
		cfg.Node = "local"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Holds == nil {
		cfg.Holds = func(string) bool { return false }
	}
	if cfg.Unready == nil {
		cfg.Unready = func(string) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	life, end := context.WithCancelCause(context.Background())
	return &Pool{
		Config: cfg,
		life:   life, end: end,
		attempts: guard.New("attempts", guard.RankWork, map[string]*attempt{}),
	}
}

// Grant runs the job, or lets its parked guest go on. It does not block.
func (p *Pool) Grant(id string) {
	p.running.Go(func() error {
		p.grant(id)
		return nil
	})
}

func (p *Pool) grant(id string) {
	if !p.Claim(id) {
		return
	}
	// Not the caller's context: a grant under way is seen through, and ends
	// with the ledger.
	ctx := context.Background()
	entry, err := p.Store.Get(ctx, id)
	if err != nil {
		p.Settle(id)
		return
	}
	granted, err := job.Apply(entry.Value, job.Grant{Node: p.Node, At: p.Now()})
	batch := entry.Value.Spec.Batch
	if err != nil || batch != "" && entry.Value.Lease == nil && p.Holds(batch) {
		p.Settle(id)
		return
	}
	if entry.Value.Lease != nil {
		p.unpark(ctx, id, entry.Value.Epoch)
		return
	}
	p.newAttempt(granted).run()
}

// change applies the event that next chooses for the record as it is, until that is
// still the newest when the result is written.
func (p *Pool) change(ctx context.Context, id string, next func(job.Record) job.Event) error {
	_, err := p.Store.Modify(ctx, id, func(r *job.Record) (*job.Record, error) {
		if r == nil {
			return nil, ledger.ErrNotFound
		}
		changed, err := job.Apply(*r, next(*r))
		if err != nil {
			return r, err
		}
		return &changed, nil
	})
	return err
}

// unpark writes the grant of a job whose guest is parked here. The guest goes on
// when the committed change reaches Observe.
func (p *Pool) unpark(ctx context.Context, id string, epoch uint64) {
	defer p.Settle(id)
	_, err := p.Store.Modify(ctx, id, func(r *job.Record) (*job.Record, error) {
		if r == nil || r.Lease == nil || r.Epoch != epoch {
			return r, job.ErrStaleLease // its guest is gone
		}
		changed, err := job.Apply(*r, job.Grant{Node: p.Node, At: p.Now()})
		return &changed, err
	})
	if err != nil {
		p.backOff(err, id)
	}
}

// backOff waits a moment after a write failed for another reason than a
// conflict, such as a full disk, so that granting it again does not spin.
func (p *Pool) backOff(err error, id string) {
	var illegal *job.IllegalMove
	if errors.Is(err, job.ErrStaleLease) || errors.As(err, &illegal) || errors.Is(err, ledger.ErrNotFound) {
		return // the record moved on: it is decided again from there
	}
	p.Log.Warn("grant not written", "job", id, "error", err)
	time.Sleep(time.Second)
}

// Observe takes in a committed change of a record, in commit order.
func (p *Pool) Observe(r job.Record, deleted bool) {
	if a := p.attempt(r.ID); a != nil && !deleted {
		a.observe(r)
	}
}

// Live returns what the running or parked guest of a job has put out so far, or
// nil if no guest of it is in this process.
func (p *Pool) Live(id string) *Outputs {
	if a := p.attempt(id); a != nil {
		return a.out
	}
	return nil
}

// Holds reports whether a guest of the job is in this process.
func (p *Pool) Holds(id string) bool { return p.attempt(id) != nil }

func (p *Pool) attempt(id string) (a *attempt) {
	p.attempts.Must(func(m *map[string]*attempt) { a = (*m)[id] })
	return a
}

// Drain waits for the guests to end. Parked ones are handed back at once, and
// when ctx ends the rest are too. It returns when the last guest is gone and its
// outcome is written. Nothing may be granted any more when it is called; a grant that
// came before it may still be on its way to its guest, which is drained like the others.
func (p *Pool) Drain(ctx context.Context) {
	p.draining.Store(true)
	p.each(func(a *attempt) { a.drain() })
	done := make(chan struct{})
	go func() {
		_ = p.running.Wait() // the goroutines return no error
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	p.end(errDrained)
	<-done
}

func (p *Pool) each(fn func(*attempt)) {
	var all []*attempt
	p.attempts.Must(func(m *map[string]*attempt) {
		for _, a := range *m {
			all = append(all, a)
		}
	})
	for _, a := range all {
		fn(a)
	}
}
