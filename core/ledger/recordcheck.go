package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// RecordDamage is a record, or an entry of a kind's index, that is not what was
// written.
type RecordDamage struct {
	Kind   string `json:"kind"`   // such as "jobs"; empty for the store as a whole
	Part   string `json:"part"`   // one of the Part constants
	Key    string `json:"key"`    // of the record, or which entry it is
	Reason string `json:"reason"` // what is wrong
}

// The parts of a store.
const (
	PartRecord  = "record"
	PartKey     = "key entry"   // where a record is, by its key
	PartIndex   = "index entry" // which records of a block have a term
	PartSeal    = "seal"        // of a block of the index
	PartTimes   = "times"       // of the records of a block
	PartSum     = "sum"         // over the kind's records
	PartCounter = "counter"     // of the kind's positions
	PartFile    = "file"
)

func (d RecordDamage) String() string {
	if d.Kind == "" {
		return fmt.Sprintf("%s %s is damaged: %s", d.Part, d.Key, d.Reason)
	}
	return fmt.Sprintf("%s: %s %s is damaged: %s", d.Kind, d.Part, d.Key, d.Reason)
}

// maxRecordDamage bounds how many damaged parts of a kind are named.
const maxRecordDamage = 1000

// RecordCheck says how records are checked.
type RecordCheck struct {
	// Pace is called before so many bytes more are read. An error ends the check. May
	// be nil.
	Pace func(ctx context.Context, bytes int) error
	// Progress is told now and then how many records were read. May be nil.
	Progress func(records int64)
}

// VerifyRecords reads all records of every kind that the store has, whether it is open
// or not, and holds its index against them. It reads the files, not what is in memory
// of them. What it finds, DamagedRecords lists until the next check.
func (l *Ledger) VerifyRecords(ctx context.Context, how RecordCheck) error {
	at, err := l.Snapshot() // keeps the store open meanwhile
	if err != nil {
		return err
	}
	defer at.Close()
	c := newRecordCheck(ctx, how)
	c.open(l)
	if err := l.checkCopy(c, at); err != nil {
		return fmt.Errorf("check records: %w", err)
	}
	l.hurt.Must(func(known *[]RecordDamage) { *known = c.found })
	return nil
}

// DamagedRecords lists what the last check of all records found, by kind.
func (l *Ledger) DamagedRecords() (list []RecordDamage) {
	l.hurt.Must(func(known *[]RecordDamage) { list = slices.Clone(*known) })
	return list
}

// checkCopy checks a copy of the store that shares its files. Where there is no room
// for one, it checks the store as it is read otherwise.
func (l *Ledger) checkCopy(c *recordCheck, at *Snapshot) error {
	err := l.Able()
	if err == nil {
		var folder string
		folder, err = l.copyStore()
		defer os.RemoveAll(folder) // or the next start does
		if err == nil {
			return c.folder(filepath.Join(folder, storeFolder))
		}
	}
	if l.Able() == nil && !isFull(err) {
		return storeError(err)
	}
	l.log.Warn("records checked as they are read, partly from memory: the store cannot be copied", "error", err)
	return c.all(at.snap)
}

// copyStore copies the store into a folder of its own, which the caller removes.
func (l *Ledger) copyStore() (folder string, err error) {
	parent := filepath.Join(l.dir, checkFolder)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	if folder, err = os.MkdirTemp(parent, ""); err != nil {
		return "", err
	}
	return folder, l.db.Checkpoint(filepath.Join(folder, storeFolder), pebble.WithFlushedWAL())
}

// checkFolder is where checks have copies of the store, below the data folder. Their
// large files are links to the store's.
const checkFolder = "records.check"

// VerifyStopped checks the records of a data folder that no process has open, also
// those of a store that cannot be opened.
func VerifyStopped(ctx context.Context, dir string, how RecordCheck) (found []RecordDamage, err error) {
	unlock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	c := newRecordCheck(ctx, how)
	err = c.folder(filepath.Join(dir, storeFolder))
	return c.found, err
}

// folder checks a store that nothing writes to.
func (c *recordCheck) folder(dir string) error {
	if err := checkLogs(dir); err != nil {
		if !errors.Is(err, ErrCorrupt) {
			return err
		}
		c.add(RecordDamage{Part: PartFile, Key: storeFolder, Reason: reasonOf(err)})
	}
	db, err := pebble.Open(dir, &pebble.Options{
		FS: newCheckedFiles(), ReadOnly: true, Comparer: comparer, CacheSize: 1 << 20, MaxOpenFiles: 100, Logger: silent{},
		FormatMajorVersion: pebble.FormatWALSyncChunks,
		EventListener:      &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}, // the reader hears of it
	})
	if err = openError(dir, err); errors.Is(err, ErrCorrupt) {
		c.add(RecordDamage{Part: PartFile, Key: storeFolder, Reason: reasonOf(err)})
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(c.all(db), db.Close())
}

// silent discards the log of a store that is only read.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("ledger: "+format, args...)) // never called: the store is only read
}

// recordCheck is a check of all records under way.
type recordCheck struct {
	ctx     context.Context // of the check
	how     RecordCheck
	kinds   map[string]*kind    // that are open
	names   map[string]struct{} // of all kinds
	seed    maphash.Seed
	found   []RecordDamage
	records int64
	unpaced int // bytes that were read since the pace was asked
}

func newRecordCheck(ctx context.Context, how RecordCheck) *recordCheck {
	return &recordCheck{ctx: ctx, how: how, kinds: map[string]*kind{}, names: map[string]struct{}{}, seed: maphash.MakeSeed()}
}

// open takes in the kinds that a ledger has open.
func (c *recordCheck) open(l *Ledger) {
	l.view.Must(func(v *view) {
		for name, k := range v.kinds {
			c.kinds[name], c.names[name] = k.kind, struct{}{}
		}
	})
}

func (c *recordCheck) add(d RecordDamage) { c.found = append(c.found, d) }

// all checks every kind of a store.
func (c *recordCheck) all(from reader) error {
	if err := c.findKinds(from); err != nil {
		return err
	}
	if _, err := readUint(from, revisionKey); err != nil {
		c.add(RecordDamage{Part: PartCounter, Key: "revision", Reason: reasonOf(err)})
	}
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		k := c.kinds[name]
		if k == nil {
			k = &kind{name: name}
		}
		if err := c.kind(from, k); err != nil {
			return err
		}
	}
	if c.how.Progress != nil {
		c.how.Progress(c.records)
	}
	return nil
}

// findKinds adds the kinds that have anything in the store.
func (c *recordCheck) findKinds(from reader) error {
	for _, tag := range []byte{tagNext, tagVersion, tagSum, tagKey, tagRecord, tagSeal, tagTimes, tagIndex} {
		err := kindNames(from, tag, c.names)
		if errors.Is(err, ErrCorrupt) { // what is readable behind it is found by another tag, or is open
			c.add(RecordDamage{Part: PartFile, Key: storeFolder, Reason: reasonOf(err)})
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kindNames adds the kinds that have an entry with a tag.
func kindNames(from reader, tag byte, names map[string]struct{}) error {
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: []byte{tag}, UpperBound: []byte{tag + 1}})
	if err != nil {
		return storeError(err)
	}
	defer it.Close()
	for ok := it.First(); ok; {
		name, _, whole := bytes.Cut(it.Key()[1:], []byte{0})
		if !whole {
			return fmt.Errorf("%w: an entry %q is of no kind", ErrCorrupt, it.Key())
		}
		names[string(name)] = struct{}{}
		ok = it.SeekGE(after((&kind{name: string(name)}).prefix(tag)))
	}
	return storeError(it.Error())
}

// read notes that an entry was read, and keeps to the pace.
func (c *recordCheck) read(bytes int) error {
	if c.unpaced += bytes; c.unpaced < 64<<10 {
		return nil
	}
	n := c.unpaced
	c.unpaced = 0
	if c.how.Progress != nil {
		c.how.Progress(c.records)
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.how.Pace == nil {
		return nil
	}
	return c.how.Pace(c.ctx, n)
}

// Kinds lists the kinds of records that the store has, or has open.
func (l *Ledger) Kinds() ([]string, error) {
	at, err := l.Snapshot()
	if err != nil {
		return nil, err
	}
	defer at.Close()
	c := newRecordCheck(context.Background(), RecordCheck{})
	c.open(l)
	err = c.findKinds(at.snap)
	return slices.Sorted(maps.Keys(c.names)), err
}
