package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"thresher/core/guard"
)

// A blob is read only after its content was held against its digest. That is done
// once for each state of its file, whoever asks: verdicts are remembered, and those
// who ask for one at the same time share it.

// Damage is what is known of a damaged blob.
type Damage struct {
	Damaged
	Found time.Time
	file  fileState // the zero value where there is no file to be read
	size  int64     // that its record says, or AnySize
}

// verdicts is what is known of the files of blobs.
type verdicts struct {
	whole, older map[string]fileState // two generations, each bounded by rememberWhole
	damaged      map[string]Damage
	checks       map[string]*check // under way
	closed       bool
}

// rememberWhole and rememberDamaged bound what is remembered. A verdict that was
// forgotten is found anew.
const (
	rememberWhole   = 1 << 14 // of each generation, some 150 bytes each
	rememberDamaged = 10_000
)

func newVerdicts() *guard.Value[verdicts] {
	return guard.New("verdicts", guard.RankBlobs, verdicts{
		whole: map[string]fileState{}, older: map[string]fileState{},
		damaged: map[string]Damage{}, checks: map[string]*check{},
	})
}

// Open opens a blob for reading, after its content was held against its digest; that
// may take a second for a gigabyte, unless it was done before. A blob that is not
// what its digest says is a *[Damaged], and nothing of it is read by the caller. A
// blob that nobody has put is ErrNotFound.
func (b *Blobs) Open(ctx context.Context, blob Blob) (*os.File, error) {
	f, state, err := b.openFile(blob)
	if err != nil {
		return nil, b.settle(blob, state, err)
	}
	whole, err := b.known(blob.Digest, state)
	if err == nil && !whole {
		err = b.checkOpen(ctx, blob, f, state)
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, err
	}
	return f, nil
}

// checkOpen checks a file that is open: together with others, unless it was replaced
// just now and they have another.
func (b *Blobs) checkOpen(ctx context.Context, blob Blob, f *os.File, state fileState) error {
	checked, err := b.shared(ctx, blob)
	if err != nil || checked == state {
		return err
	}
	if _, err := b.digest(ctx, blob, f, state, io.Discard, nil); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// Check returns nil if the blob can be read, and otherwise the error of Open.
func (b *Blobs) Check(ctx context.Context, blob Blob) error {
	f, err := b.Open(ctx, blob)
	if err != nil {
		return err
	}
	return f.Close()
}

// Look is Check without reading: it finds that a file is missing, is none, has
// another size, or is known to be damaged.
func (b *Blobs) Look(blob Blob) error {
	f, state, err := b.openFile(blob)
	if err != nil {
		return b.settle(blob, state, err)
	}
	_, err = b.known(blob.Digest, state)
	return errors.Join(err, f.Close())
}

// Damaged lists the blobs that are known to be damaged, by digest: up to 10 000.
func (b *Blobs) Damaged() (list []Damage) {
	b.verdicts.Must(func(v *verdicts) { list = slices.Collect(maps.Values(v.damaged)) })
	slices.SortFunc(list, func(a, b Damage) int { return cmp.Compare(a.Digest, b.Digest) })
	return list
}

// LookAgain looks at a blob that was damaged: a file that was put back is whole, and
// what nobody references any more is forgotten.
func (b *Blobs) LookAgain(ctx context.Context, d Damage) error {
	err := b.Check(ctx, Blob{d.Digest, d.size})
	if errors.Is(err, ErrNotFound) {
		b.forget(d.Digest)
	}
	return err
}

// known returns the verdict on a file in that state, if there is one.
func (b *Blobs) known(digest string, state fileState) (whole bool, err error) {
	b.verdicts.Must(func(v *verdicts) {
		if d, ok := v.damaged[digest]; ok {
			if d.file == state {
				err = &d.Damaged
			}
			return // it was damaged in another state: it is read again
		}
		before, ok := v.whole[digest]
		if !ok {
			before, ok = v.older[digest]
		}
		whole = ok && before == state
	})
	return whole, err
}

// settle remembers a verdict on a file, and returns it. What is no verdict it only
// returns.
func (b *Blobs) settle(blob Blob, state fileState, verdict error) error {
	var bad *Damaged
	switch {
	case verdict == nil:
		b.verdicts.Must(func(v *verdicts) { v.foundWhole(blob.Digest, state) })
	case errors.As(verdict, &bad):
		d := Damage{Damaged: *bad, Found: time.Now(), file: state, size: blob.Bytes}
		b.verdicts.Must(func(v *verdicts) { v.foundDamaged(d) })
	}
	return verdict
}

func (v *verdicts) foundWhole(digest string, state fileState) {
	delete(v.damaged, digest)
	if !state.settled(time.Now()) {
		v.forget(digest)
		return // a write at this moment would not be seen
	}
	if len(v.whole) >= rememberWhole {
		v.whole, v.older = map[string]fileState{}, v.whole
	}
	v.whole[digest] = state
}

func (v *verdicts) foundDamaged(d Damage) {
	v.forget(d.Digest)
	before, ok := v.damaged[d.Digest]
	if ok {
		d.Found = before.Found
	}
	if ok || len(v.damaged) < rememberDamaged {
		v.damaged[d.Digest] = d
	}
}

func (v *verdicts) forget(digest string) {
	delete(v.whole, digest)
	delete(v.older, digest)
}

// check is the reading of one blob on behalf of all who want to know.
type check struct {
	asking int // who waits; the last who gives up ends it
	cancel context.CancelFunc
	done   chan struct{}
	state  fileState // valid once done is closed, as err is
	err    error
}

// shared checks a blob, together with everyone who asks at the same time, and
// returns the state that its file was in.
func (b *Blobs) shared(ctx context.Context, blob Blob) (fileState, error) {
	c, err := b.join(blob)
	if err != nil {
		return fileState{}, err
	}
	select {
	case <-c.done:
		return c.state, c.err
	case <-ctx.Done():
		b.verdicts.Must(func(v *verdicts) {
			if c.asking--; c.asking == 0 && v.checks[blob.Digest] == c {
				delete(v.checks, blob.Digest) // who comes now begins anew
				c.cancel()
			}
		})
		return fileState{}, context.Cause(ctx)
	}
}

func (b *Blobs) join(blob Blob) (c *check, err error) {
	b.verdicts.Must(func(v *verdicts) {
		if v.closed {
			err = ErrClosed
			return
		}
		if c = v.checks[blob.Digest]; c != nil {
			c.asking++
			return
		}
		ctx, cancel := context.WithCancel(b.life)
		c = &check{asking: 1, cancel: cancel, done: make(chan struct{})}
		v.checks[blob.Digest] = c
		b.checking.Go(func() { b.run(ctx, c, blob) })
	})
	return c, err
}

func (b *Blobs) run(ctx context.Context, c *check, blob Blob) {
	defer c.cancel()
	c.state, c.err = b.inspect(ctx, blob, nil)
	b.verdicts.Must(func(v *verdicts) {
		if v.checks[blob.Digest] == c {
			delete(v.checks, blob.Digest)
		}
	})
	close(c.done)
}

// inspect reads a blob, whatever is known of it, and remembers what it finds. It
// calls between, which may be nil, before each piece that it reads.
func (b *Blobs) inspect(ctx context.Context, blob Blob, between func(context.Context, int) error) (fileState, error) {
	f, state, err := b.openFile(blob)
	if err != nil {
		return state, b.settle(blob, state, err)
	}
	defer f.Close() // only read
	if between != nil {
		dropCached(f) // what is on disk is looked for
		defer dropCached(f)
	}
	return b.digest(ctx, blob, f, state, io.Discard, between)
}

// pieces are buffers to read with.
var pieces = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// digest reads a file to its end, writes it to w, and gives the verdict on it, which
// it remembers. An error of w is returned as it is.
func (b *Blobs) digest(ctx context.Context, blob Blob, f *os.File, before fileState, w io.Writer, between func(context.Context, int) error) (fileState, error) {
	sum := sha256.New()
	piece := pieces.Get().(*[256 << 10]byte)
	defer pieces.Put(piece)
	read := int64(0)
	for {
		if ctx.Err() != nil {
			return before, context.Cause(ctx)
		}
		most := min(int64(len(piece)), before.size-read+1) // a byte more than there should be
		if between != nil {
			if err := between(ctx, int(most)); err != nil {
				return before, err
			}
		}
		n, err := f.Read(piece[:most])
		sum.Write(piece[:n])
		if read += int64(n); read > before.size {
			break // it has grown
		}
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return before, err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return before, b.settle(blob, before, damaged(blob.Digest, fmt.Sprintf("its file cannot be read: %v", err)))
		}
	}
	return b.verdict(blob, f, before, hex.EncodeToString(sum.Sum(nil)))
}

// verdict compares what was read of a file with what should have been.
func (b *Blobs) verdict(blob Blob, f *os.File, before fileState, got string) (fileState, error) {
	after, _, err := stateOf(f)
	switch {
	case err != nil:
		return before, fmt.Errorf("blob %s: %w", blob.Digest, err)
	case got != blob.Digest:
		return after, b.settle(blob, after, damaged(blob.Digest, "its content does not match its digest"))
	case !after.sameContent(before):
		// Of no state: it is read again as soon as someone asks.
		return after, b.settle(blob, fileState{}, damaged(blob.Digest, "its file changes while it is read"))
	case after != before: // another took its place, or its mode changed
		return before, nil
	}
	return after, b.settle(blob, after, nil)
}

// Copy writes a blob to what begin returns, which is told its size, and holds it
// against its digest on the way. Where it finds damage only then, size bytes were
// written all the same, and they are not the blob's: the caller disowns them.
func (b *Blobs) Copy(ctx context.Context, blob Blob, begin func(size int64) (io.Writer, error)) error {
	f, state, err := b.openFile(blob)
	if err != nil {
		return b.settle(blob, state, err)
	}
	defer f.Close() // only read
	if _, err := b.known(blob.Digest, state); err != nil {
		return err
	}
	w, err := begin(state.size)
	if err != nil {
		return err
	}
	counted := &counted{w: w}
	_, err = b.digest(ctx, blob, f, state, counted, nil)
	if errors.Is(err, ErrDamaged) {
		_, fillErr := io.CopyN(w, zeros{}, state.size-counted.n)
		return errors.Join(err, fillErr)
	}
	return err
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// zeros is what stands for bytes that could not be read.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// forget drops what is known of a blob that is removed.
func (b *Blobs) forget(digest string) {
	b.verdicts.Must(func(v *verdicts) {
		v.forget(digest)
		delete(v.damaged, digest)
	})
}

// intact reports whether there is a file that is known to be whole.
func (b *Blobs) intact(digest string) bool {
	f, state, err := b.openFile(Unsized(digest))
	if err != nil {
		return false
	}
	defer f.Close() // only read
	whole, err := b.known(digest, state)
	return whole && err == nil
}

// endChecks ends the checks under way, and allows no more.
func (b *Blobs) endChecks() {
	b.verdicts.Must(func(v *verdicts) { v.closed = true })
	b.quit()
	b.checking.Wait()
}
