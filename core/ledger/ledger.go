// Package ledger keeps the durable truth: records in an embedded store, large content
// in sealed files.
//
// A [Store] holds the records of one kind. A record changes by [Store.Modify], or
// together with others by [Ledger.Atomically], and by nothing else: each write carries
// the revision that it was decided on, and is refused if the record has moved on. A
// write that returned is on disk, unless the ledger was opened with [SyncInterval];
// what is not on disk is never visible. All changes, of all kinds, have one order. A
// list follows the order in which records were created.
//
// Records that are live, as the store's config says, are in memory; the others are
// read from disk, through a bounded cache. The index of the newest records is in memory,
// whether they are live or not, and that of all others on disk. [Blobs] holds content by its SHA-256.
//
// One process at a time may have a folder open. The ledger knows nothing of what its
// records mean: which change is legal is decided by its callers.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"thresher/core/guard"
)

// What callers tell apart.
var (
	ErrNotFound       = errors.New("no such record")
	ErrExists         = errors.New("the record exists")
	ErrConflict       = errors.New("the record has changed meanwhile")
	ErrClosed         = errors.New("the ledger is closed")
	ErrLocked         = errors.New("the data folder is in use by another process")
	ErrCorrupt        = errors.New("the data folder is damaged")
	ErrDiskFull       = errors.New("the disk is full")
	ErrRecordTooLarge = errors.New("the record is too large")
	// ErrDisabled is returned for writes after one failed for another reason than a
	// full disk: what the disk has refused once it may have lost.
	ErrDisabled = errors.New("the store could not write to its disk")
	// ErrStalled is returned with ErrDisabled where writes go on, without a restart, once
	// the store can merge its files.
	ErrStalled = errors.New("too many of its files wait to be merged")
	// ErrUnclear is returned for a write that is on its way to a disk that does not
	// take it: it may be there later.
	ErrUnclear = errors.New("not known whether the write will be kept")
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
	// Reading is told how far the opening of a store is that reads all of its records:
	// its index is made anew. It must not block. May be nil.
	Reading func(kind string, read, of uint64)
	// HotBlocks is how many of a store's newest blocks keep their index in memory
	// while many of their records are live. The index of older ones is on disk, where
	// each change rewrites some entries of it. Default DefaultHotBlocks.
	HotBlocks int
	Faults    Faults // planted by tests
	fs        vfs.FS // below the store; default vfs.Default
}

// Ledger is an open data folder.
type Ledger struct {
	log    *slog.Logger
	dir    string
	unlock func() error
	disk   *disk
	db     *pebble.DB
	blobs  *Blobs
	room   room
	sync   Sync
	hot    int // Config.HotBlocks
	faults Faults
	tell   func(kind string, read, of uint64) // how far a store is indexed anew
	mark   *mark

	merging merging

	damage *guard.Value[map[string]string] // files, and how they are damaged
	hurt   *guard.Value[[]RecordDamage]    // by the last check of all records

	view  *guard.Value[view]
	queue chan *operation
	calls chan func() // for the committer to make, between two rounds

	unclear unclear

	sealing []*sealing // blocks that are being sealed; the committer's

	once     *guard.Value[bool]
	quit     chan struct{} // closed by Close: the committer finishes its queue and ends
	finished chan struct{} // closed when the committer has ended
	loops    errgroup.Group
	reading  sync.WaitGroup            // snapshots that are open
	unread   *guard.Value[[]*snapshot] // of them, those to be closed
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
	if cfg.Reserve == 0 {
		cfg.Reserve = DefaultReserve
	}
	if cfg.HotBlocks <= 0 {
		cfg.HotBlocks = DefaultHotBlocks
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if cfg.Reading == nil {
		cfg.Reading = func(string, uint64, uint64) {}
	}
	unlock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		log: cfg.Log, dir: cfg.Dir, unlock: unlock, room: room{cfg.Dir, cfg.Reserve}, sync: cfg.Sync, hot: cfg.HotBlocks, faults: cfg.Faults, tell: cfg.Reading,
		disk:     newDisk(cfg.fs, cfg.Log),
		merging:  merging{log: cfg.Log},
		view:     guard.New("view", guard.RankView, view{kinds: map[string]*kindView{}}),
		damage:   guard.New("damage", guard.RankView, map[string]string{}),
		hurt:     guard.New("damaged records", guard.RankView, []RecordDamage(nil)),
		once:     guard.New("closing", guard.RankView, false),
		unread:   guard.New("unread", guard.RankView, []*snapshot(nil)),
		queue:    make(chan *operation, queuedOps),
		calls:    make(chan func()),
		quit:     make(chan struct{}),
		finished: make(chan struct{}),
	}
	if err := l.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), l.Close(ctx))
	}
	return l, nil
}

func (l *Ledger) open() (err error) {
	if err := checkFormat(l.dir); err != nil {
		return err
	}
	damaged := false
	if l.mark, damaged, err = openMark(l.dir); err != nil {
		return err
	}
	if damaged {
		l.log.Warn("the mark of the newest revision was damaged; it is written anew", "file", l.mark.path)
	}
	if l.blobs, err = openBlobs(filepath.Join(l.dir, "blobs"), l.room, l.named, l.needed, l.log); err != nil {
		return err
	}
	if err := l.openStore(); err != nil {
		return l.explain(err)
	}
	if l.sync == SyncInterval {
		l.log.Warn("writes are acknowledged before they are on disk: a power cut loses the newest", "sync", l.sync, "every", syncEvery)
	}
	l.loops.Go(func() error { l.commitLoop(); return nil })
	l.loops.Go(func() error { l.markLoop(); return nil })
	return nil
}

// storeFolder is where the records are, below the data folder.
const storeFolder = "records"

func (l *Ledger) openStore() error {
	if err := os.RemoveAll(filepath.Join(l.dir, checkFolder)); err != nil {
		return err
	}
	dir := filepath.Join(l.dir, storeFolder)
	if err := checkLogs(dir); err != nil {
		return err
	}
	// The log of a store that is made is not yet of the format that it asks for.
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if db, err := pebble.Open(dir, l.options()); err != nil || db.Close() != nil {
			return fmt.Errorf("make the store: %w", err)
		}
	}
	db, err := pebble.Open(dir, l.options())
	if err != nil {
		return openError(dir, err)
	}
	l.db = db
	revision, err := readUint(db, revisionKey)
	if err != nil {
		return err
	}
	if err := l.mark.check(revision); err != nil {
		return err
	}
	l.view.Must(func(v *view) { v.revision, v.at = revision, l.newSnapshot(revision) })
	return syncFolder(l.dir)
}

// readUint reads a number, which is 0 if it is not there.
func readUint(from reader, key []byte) (uint64, error) {
	b, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, storeError(err)
	}
	defer closer.Close()
	return decodeUint(b)
}

// explain says what to do about a store that cannot be opened.
func (l *Ledger) explain(err error) error {
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w\nNothing was changed. %s", err, l.advice())
}

// advice says what to do about a damaged store.
func (l *Ledger) advice() string {
	return "Restore the newest backup into another folder (thresher restore BACKUP --data FOLDER), or put the damaged files back as they were; " + l.dir + " keeps what is still there"
}

// Able returns why the ledger takes no writes, an error that wraps ErrDiskFull or
// ErrDisabled, or nil if it does. Once it has returned nil, readers see what came of
// each write that had returned ErrUnclear before.
func (l *Ledger) Able() error {
	return cmp.Or(l.holdsUp(), l.unclear.any())
}

// holdsUp returns why writes that are on their way wait, or nil if they go on.
func (l *Ledger) holdsUp() error { return cmp.Or(l.disk.able(), l.merging.able()) }

// Blobs returns the folder of sealed content.
func (l *Ledger) Blobs() *Blobs { return l.blobs }

// Revision returns that of the newest change of any kind.
func (l *Ledger) Revision() (revision uint64) {
	l.view.Must(func(v *view) { revision = v.revision })
	return revision
}

// named reports whether any record refers to a blob or retains it.
func (l *Ledger) named(digest string) (bool, error) {
	found, err := l.anyUnder(blobTerm(digest))
	if found || err != nil {
		return found, err
	}
	return l.anyUnder(retainTerm(digest))
}

// needed reports whether any record refers to a blob.
func (l *Ledger) needed(digest string) (bool, error) { return l.anyUnder(blobTerm(digest)) }

// anyUnder reports whether any record of any kind has a term.
func (l *Ledger) anyUnder(term string) (found bool, err error) {
	var snap *snapshot
	seals := map[string][]seal{}
	l.view.Must(func(v *view) {
		for name, k := range v.kinds {
			for _, b := range k.hot {
				found = found || b.terms[term] != nil
			}
			seals[name] = k.seals
		}
		if !found && v.at != nil {
			snap = v.at.reference()
		}
	})
	if found {
		return true, nil
	}
	if snap == nil {
		return false, ErrClosed
	}
	defer snap.release()
	for name, s := range seals {
		if len(s) == 0 {
			continue
		}
		c, err := (&kind{name: name}).newCursor(snap, term, s, false)
		if err != nil {
			return false, err
		}
		found, err := c.seek(uint32(len(s) - 1))
		c.close()
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// apply writes a round to disk.
func (l *Ledger) apply(r *round) error {
	how := pebble.NoSync // the index of sealed blocks can be made again
	if len(r.changes) > 0 && l.sync == SyncAlways {
		how = pebble.Sync
	}
	send := func() (uint64, error) { return r.revision, r.batch.Commit(how) }
	if wrong := l.faults.Send; wrong != nil && len(r.changes) > 0 {
		_, err := wrong(r.revision, send)
		return err
	}
	_, err := send()
	return storeError(err)
}

// markLoop notes now and then up to where the store is on disk.
func (l *Ledger) markLoop() {
	every := markEvery
	if l.sync == SyncInterval {
		every = syncEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-ticker.C:
		}
		if err := l.note(); err != nil && l.Able() == nil {
			l.log.Warn("the newest revision was not noted", "error", err)
		}
	}
}

func (l *Ledger) note() error {
	revision := l.Revision()
	if l.sync == SyncInterval && revision != l.mark.revision {
		if err := l.db.LogData(nil, pebble.Sync); err != nil {
			return err
		}
	}
	return l.mark.write(revision)
}

// Close finishes the writes that are queued and lets go of the folder. It may be
// called more than once.
func (l *Ledger) Close(context.Context) error {
	again := false
	l.once.Must(func(closing *bool) { again, *closing = *closing, true })
	if again {
		return nil
	}
	close(l.quit)
	close(l.disk.closing)
	ended := l.loopsEnd()
	if l.blobs != nil {
		l.blobs.close()
	}
	if !ended {
		return l.unlock()
	}
	return errors.Join(l.closeStore(), l.unlock())
}

// loopsEnd waits until the committer has finished. It does not wait for a store that
// will not go on.
func (l *Ledger) loopsEnd() bool {
	ended := make(chan struct{})
	go func() { _ = l.loops.Wait(); close(ended) }() // they return no error
	for {
		select {
		case <-ended:
			return true
		case <-time.After(patience):
			if l.merging.able() != nil {
				l.log.Warn("store left open: it does not take the last writes; the next start tidies up")
				return false
			}
		}
	}
}

func (l *Ledger) closeStore() error {
	var snap *snapshot
	l.view.Must(func(v *view) { snap, v.at = v.at, nil })
	var err error
	if snap != nil {
		if l.disk.able() == nil {
			err = l.note()
		}
		snap.release()
	}
	if l.db == nil || l.disk.able() != nil { // what it would write cannot be written
		return err
	}
	if !l.readersEnd() {
		l.log.Warn("store left open: it is still being read; the next start tidies up")
		return err
	}
	if closing := l.db.Close(); isFull(closing) {
		l.log.Warn("store closed on a full disk: the next start tidies up", "error", closing)
	} else {
		err = errors.Join(err, closing)
	}
	return err
}

// readersEnd waits until nobody reads the store any more: the store below panics when
// it is read after it was closed. It does not wait for a slow backup for ever.
func (l *Ledger) readersEnd() bool {
	ended := make(chan struct{})
	go func() { l.reading.Wait(); close(ended) }()
	select {
	case <-ended:
		return true
	case <-time.After(patience):
		return false
	}
}
