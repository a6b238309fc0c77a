package table

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sys/unix"

	"thresher/core/guard"
)

// Cache opens sealed tables by digest and remembers what it found of them, so that a table
// is surveyed once however often it is opened.
//
// It also joins the batches of tables that were sealed before batches were joined, or by
// another program. Such a table keeps its bytes and its digest; what is opened is a copy
// of it with the same rows, which has no name and is not kept longer than the process
// lives. Its methods may be called concurrently; a nil Cache remembers nothing.
type Cache struct {
	dir     string
	room    func() error
	joining chan struct{} // held while a table is joined: one at a time
	state   *guard.Value[known]
}

// Bounds of a cache.
const (
	maxKnown        = 4096    // tables
	maxKnownBatches = 1 << 20 // of all of them
	maxCopies       = 16      // of tables that were joined
	maxCopiedBytes  = 4 << 30 // of all copies but the newest
)

// known is the tables that were opened.
type known struct {
	by      map[string]*knownTable // by digest
	clock   uint64                 // counts openings
	batches int
	copies  int
	copied  int64 // bytes of copies
}

type knownTable struct {
	file   os.FileInfo // of the file that was surveyed: another one of the same digest is looked at anew
	found  *surveyed   // of the copy, if there is one
	joined *os.File    // a copy; nil: the table's own file
	bytes  int64       // of the copy
	opened uint64      // the clock when it was last opened
}

// NewCache returns an empty cache, which the caller closes. Copies are in dir; room says
// why there is no space for one, or returns nil.
func NewCache(dir string, room func() error) *Cache {
	return &Cache{
		dir: dir, room: room, joining: make(chan struct{}, 1),
		state: guard.New("known tables", guard.RankTable, known{by: map[string]*knownTable{}}),
	}
}

// Open opens the sealed table of a digest. Its file is open, and was verified against the
// digest. Open takes the file over, also where it returns an error.
func (c *Cache) Open(ctx context.Context, digest string, file *os.File) (*File, error) {
	if c == nil {
		return OpenFile(file)
	}
	if f, err := c.openKnown(digest, file); f != nil || err != nil {
		return f, err
	}
	f, err := OpenFile(file)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open table: %w", err), f.Close())
	}
	if !f.scattered() {
		c.remember(digest, &knownTable{file: info, found: f.surveyed})
		return f, nil
	}
	joined, err := c.openJoined(ctx, digest, info, f)
	if ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), f.Close())
	}
	if err != nil { // the disk is full, maybe: it can be read all the same
		return f, nil
	}
	return joined, f.Close()
}

// openKnown opens a table that was opened before. It returns nil for another.
func (c *Cache) openKnown(digest string, file *os.File) (f *File, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open table: %w", err), file.Close())
	}
	var found *surveyed
	var joined *os.File
	c.state.Must(func(k *known) {
		t := k.by[digest]
		if t == nil || !sameFile(t.file, info) {
			return
		}
		k.clock++
		t.opened = k.clock
		found = t.found
		if t.joined != nil {
			joined, err = duplicate(t.joined)
		}
	})
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("open table: %w", err), file.Close())
	case found == nil:
		return nil, nil
	case joined == nil:
		return openFile(file, found)
	}
	f, err = openFile(joined, found)
	return f, errors.Join(err, file.Close())
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// scattered reports whether a table has so many more batches than its rows and bytes need
// that reading it costs more than joining them. Outputs of jobs from before batches were
// joined are not: they had up to 16 for each.
func (f *File) scattered() bool {
	need := max((f.Rows()+batchRows-1)/batchRows, (f.Size()+maxBatchBytes-1)/maxBatchBytes)
	return int64(f.NumBatches()) > 16*need
}

// openJoined makes a copy of a table with its batches joined, or waits for another call
// that does, and opens it.
func (c *Cache) openJoined(ctx context.Context, digest string, info os.FileInfo, f *File) (*File, error) {
	select {
	case c.joining <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-c.joining }()
	again, err := duplicate(f.file)
	if err != nil {
		return nil, err
	}
	if joined, err := c.openKnown(digest, again); joined != nil || err != nil {
		return joined, err
	}
	defer again.Close() // only read
	joined, err := c.join(ctx, f)
	if err != nil {
		return nil, err
	}
	kept, err := duplicate(joined.file)
	if err != nil {
		return nil, errors.Join(err, joined.Close())
	}
	c.remember(digest, &knownTable{file: info, found: joined.surveyed, joined: kept, bytes: joined.Size()})
	return joined, nil
}

// join copies a table.
func (c *Cache) join(ctx context.Context, f *File) (*File, error) {
	out, err := newSink(c.dir, f.Schema())
	if err != nil {
		return nil, err
	}
	err = f.Range(0, math.MaxInt64, func(batch arrow.RecordBatch) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.room(); err != nil {
			return err
		}
		return out.append(batch)
	})
	var sealed Sealed
	if err == nil {
		sealed, err = out.seal()
	}
	if err != nil {
		return nil, errors.Join(err, out.abort())
	}
	file, err := os.Open(sealed.Path)
	if err = errors.Join(err, os.Remove(sealed.Path)); err != nil {
		return nil, err
	}
	return OpenFile(file)
}

// remember keeps what was found of a table, and forgets the tables that were opened least
// recently while there is too much.
func (c *Cache) remember(digest string, t *knownTable) {
	var gone []*os.File
	c.state.Must(func(k *known) {
		gone = k.forget(digest)
		k.clock++
		t.opened = k.clock
		k.by[digest] = t
		k.count(t, 1)
		for k.tooMuch(t) {
			gone = append(gone, k.forget(k.oldest())...)
		}
	})
	for _, f := range gone {
		_ = f.Close() // a copy
	}
}

func (k *known) count(t *knownTable, sign int) {
	k.batches += sign * len(t.found.sound)
	if t.joined != nil {
		k.copies += sign
		k.copied += int64(sign) * t.bytes
	}
}

// tooMuch reports whether a table beside the newest must be forgotten.
func (k *known) tooMuch(newest *knownTable) bool {
	return len(k.by) > 1 && (len(k.by) > maxKnown || k.batches > maxKnownBatches ||
		k.copies > maxCopies || k.copies > 1 && k.copied-newest.bytes > maxCopiedBytes)
}

func (k *known) oldest() (digest string) {
	least := uint64(math.MaxUint64)
	for d, t := range k.by {
		if t.opened < least {
			digest, least = d, t.opened
		}
	}
	return digest
}

// forget forgets a table, and returns its copy, if there is one, for the caller to close.
func (k *known) forget(digest string) (gone []*os.File) {
	t := k.by[digest]
	if t == nil {
		return nil
	}
	delete(k.by, digest)
	k.count(t, -1)
	if t.joined != nil {
		gone = append(gone, t.joined)
	}
	return gone
}

// Close gives back the space of copies. Tables that are open stay so.
func (c *Cache) Close() {
	if c == nil {
		return
	}
	var gone []*os.File
	c.state.Must(func(k *known) {
		for digest := range k.by {
			gone = append(gone, k.forget(digest)...)
		}
	})
	for _, f := range gone {
		_ = f.Close() // a copy
	}
}
