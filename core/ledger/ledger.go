// Package ledger keeps the durable truth: records in JetStream, large content in
// sealed files.
//
// A [Store] holds the records of one kind, one subject each. Every write carries
// the revision it was decided on, and is refused if the record has moved on. A
// write that returned is on disk, unless the ledger was opened with
// [SyncInterval]; what has not been written is never visible. Reads come from an
// in-memory view that is fed by committed writes in their order, so a write is
// visible to every read that starts after it returned. [Blobs] holds content by
// its SHA-256.
//
// JetStream runs inside the process, listens on no port and handles no signals.
// One process at a time may have a folder open.
//
// The ledger knows nothing of what its records mean: which change is legal is
// decided by its callers.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// What callers tell apart.
var (
	ErrNotFound = errors.New("no such record")
	ErrExists   = errors.New("the record exists")
	ErrConflict = errors.New("the record has changed meanwhile")
	ErrClosed   = errors.New("the ledger is closed")
	ErrLocked   = errors.New("the data folder is in use by another process")
	ErrCorrupt  = errors.New("the data folder is damaged")
	ErrDiskFull = errors.New("the disk is full")
)

// Sync says when a write is on disk.
type Sync string

// The ways to sync.
const (
	SyncAlways   Sync = "always"   // before it returns; the default
	SyncInterval Sync = "interval" // within some seconds: faster, and a power cut loses what came since
)

const syncEvery = 2 * time.Second // under SyncInterval

// Config says where and how a ledger keeps its records.
type Config struct {
	Dir  string       // made if absent
	Sync Sync         // default SyncAlways
	Log  *slog.Logger // default slog.Default()
	// Reserve is the space on disk that new work leaves free, in bytes; default
	// DefaultReserve.
	Reserve int64
	// Progress is called while a store is read, with how many of its records have
	// been, and before that while checksums are checked, with how many files. It may be
	// called by several at once, and may be nil.
	Progress func(store string, read, of uint64)
	Faults   Faults // planted by tests
}

// Ledger is an open data folder.
type Ledger struct {
	log    *slog.Logger
	unlock func() error
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	blobs  *Blobs
	room   room
	sync   Sync
	faults Faults

	staging       string // folder in memory for batches; empty until there is one
	unlockStaging func() error
	progress      func(store string, read, of uint64)

	// able ends when the store could not write to its disk: JetStream takes no
	// more writes then, until it is opened anew.
	able    context.Context
	disable context.CancelCauseFunc

	closed     atomic.Bool
	quit       chan struct{} // closed by Close: committers finish their queue and end
	committers errgroup.Group
}

// Open opens the folder, making it if needed.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	switch cfg.Sync {
	case "":
		cfg.Sync = SyncAlways
	case SyncAlways, SyncInterval:
	default:
		return nil, fmt.Errorf("ledger: sync %q: want %s or %s", cfg.Sync, SyncAlways, SyncInterval)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	unlock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = DefaultReserve
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, uint64, uint64) {}
	}
	l := &Ledger{
		log: cfg.Log, unlock: unlock, quit: make(chan struct{}),
		room: room{cfg.Dir, cfg.Reserve}, sync: cfg.Sync, progress: cfg.Progress, faults: cfg.Faults,
	}
	l.able, l.disable = context.WithCancelCause(context.Background())
	if err := l.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, l.Close(ctx))
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, cfg Config) (err error) {
	if l.blobs, err = openBlobs(filepath.Join(cfg.Dir, "blobs"), l.room, cfg.Log); err != nil {
		return err
	}
	if err := l.checkBlocks(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	stale, err := l.staleStaging()
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if l.server, err = startServer(ctx, cfg, l.disable); err != nil {
		return err
	}
	for _, dir := range stale {
		_ = os.RemoveAll(dir) // what stays only takes room
	}
	l.conn, err = nats.Connect("", nats.InProcessServer(l.server), nats.NoReconnect())
	if err != nil {
		return fmt.Errorf("ledger: connect to JetStream: %w", err)
	}
	if l.js, err = jetstream.New(l.conn); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if cfg.Sync == SyncInterval {
		l.log.Warn("writes are acknowledged before they are on disk: a power cut loses the newest",
			"sync", cfg.Sync, "every", syncEvery)
	}
	return nil
}

// startServer starts JetStream in this process. MaxStore is set because the
// default is a share of the space that happens to be free at the start.
func startServer(ctx context.Context, cfg Config, failed context.CancelCauseFunc) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		ServerName:         "thresher",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           filepath.Join(cfg.Dir, "records"),
		JetStreamMaxMemory: 1 << 20, // nothing is kept in memory only
		JetStreamMaxStore:  math.MaxInt64 / 2,
		SyncAlways:         cfg.Sync == SyncAlways,
		SyncInterval:       syncEvery,
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: start JetStream: %w", err)
	}
	s.SetLoggerV2(serverLog{cfg.Log, failed}, false, false, false)
	s.Start()
	wait := time.Minute // a large store takes seconds
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline)
	}
	if !s.ReadyForConnections(wait) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("ledger: JetStream did not start on %s: the log has the reason", cfg.Dir)
	}
	return s, nil
}

// ErrDisabled is returned for writes after one could not be written to the disk,
// though the reserve should have kept room for it.
var ErrDisabled = errors.New("the store could not write to its disk: free space and restart the server")

// Able returns an error that wraps ErrDisabled if the ledger takes no more writes.
func (l *Ledger) Able() error {
	if l.able.Err() != nil {
		return context.Cause(l.able)
	}
	return nil
}

// Blobs returns the folder of sealed content.
func (l *Ledger) Blobs() *Blobs { return l.blobs }

// Close finishes the writes that are queued and lets go of the folder. It may be
// called more than once.
func (l *Ledger) Close(context.Context) error {
	if l.closed.Swap(true) {
		return nil
	}
	close(l.quit)
	_ = l.committers.Wait() // they return no error
	if l.conn != nil {
		l.conn.Close()
	}
	if l.server != nil {
		l.server.Shutdown()
		l.server.WaitForShutdown()
	}
	if l.blobs != nil {
		l.blobs.close()
	}
	l.unstage()
	l.disable(ErrClosed)
	return l.unlock()
}

// serverLog passes the log of the embedded server on. Its notices are of no
// interest to an operator of this one.
type serverLog struct {
	log    *slog.Logger
	failed context.CancelCauseFunc // called when a store can write no more
}

func (s serverLog) Noticef(format string, v ...any) { s.debug(format, v) }
func (s serverLog) Debugf(format string, v ...any)  { s.debug(format, v) }
func (s serverLog) Tracef(format string, v ...any)  { s.debug(format, v) }

func (s serverLog) debug(format string, v []any) {
	s.log.Debug("jetstream", "says", fmt.Sprintf(format, v...))
}

func (s serverLog) Warnf(format string, v ...any) {
	s.log.Warn("jetstream", "says", fmt.Sprintf(format, v...))
}

func (s serverLog) Errorf(format string, v ...any) {
	says := fmt.Sprintf(format, v...)
	s.log.Error("jetstream", "says", says)
	if strings.Contains(strings.ToLower(says), "critical write error") {
		s.failed(fmt.Errorf("%w: %s", ErrDisabled, says))
	}
}

// Fatalf only logs: the embedded server must not end the process. Open sees that
// JetStream did not come up.
func (s serverLog) Fatalf(format string, v ...any) { s.Errorf(format, v...) }
