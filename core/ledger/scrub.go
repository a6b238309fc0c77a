package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Scrubbing says how the scrubber goes through all blobs, again and again.
type Scrubbing struct {
	Within time.Duration // a pass takes that long; default a week
	// MaxRate bounds the reading, in bytes a second, also where a pass then takes
	// longer; default 5 MB.
	MaxRate int64
	// Position is the file that keeps how far a pass is. It is derived: without it the
	// pass begins anew.
	Position string
	Now      func() time.Time // default time.Now
	// Passed is called after each pass. It may be nil.
	Passed func(context.Context)
}

func (s Scrubbing) withDefaults() Scrubbing {
	s.Within, s.MaxRate = cmp.Or(s.Within, 7*24*time.Hour), cmp.Or(s.MaxRate, 5e6)
	if s.Now == nil {
		s.Now = time.Now
	}
	return s
}

// ScrubState says how far the scrubber is.
type ScrubState struct {
	Version  int       `json:"version"`
	Started  time.Time `json:"started"`         // of this pass
	After    string    `json:"after,omitempty"` // the digest up to which it is through
	Files    int64     `json:"files"`           // checked in this pass
	Bytes    int64     `json:"bytes"`
	Finished time.Time `json:"finished,omitzero"` // when the last pass ended
}

const scrubVersion = 1

// folders is how many folders blobs are in, by the first byte of their digest.
const folders = 256

// Fraction returns how much of the pass is done: digests are spread evenly.
func (s ScrubState) Fraction() float64 {
	if len(s.After) < 4 {
		return 0
	}
	var at int
	if _, err := fmt.Sscanf(s.After[:4], "%x", &at); err != nil {
		return 0
	}
	return float64(at) / (1 << 16)
}

// Scrub checks every blob that is referenced, at a pace at which a pass takes a week,
// until ctx ends. It goes on where the last process was.
func (b *Blobs) Scrub(ctx context.Context, how Scrubbing) error {
	how = how.withDefaults()
	state := how.restore()
	for {
		b.scrubbed.Store(&state)
		if err := b.pass(ctx, how, &state); err != nil {
			return err
		}
		now := how.Now()
		state = ScrubState{Version: scrubVersion, Started: now, Finished: now}
		how.save(state)
		if how.Passed != nil {
			how.Passed(ctx)
		}
	}
}

// Scrubbed returns how far the scrubber is.
func (b *Blobs) Scrubbed() ScrubState {
	if s := b.scrubbed.Load(); s != nil {
		return *s
	}
	return ScrubState{}
}

// pass goes through the folders that are left. Each gets its share of the time that
// is left, so that what was lost by a stop is made up for.
func (b *Blobs) pass(ctx context.Context, how Scrubbing, state *ScrubState) error {
	first := 0
	if state.After != "" {
		if _, err := fmt.Sscanf(state.After[:2], "%x", &first); err != nil {
			return fmt.Errorf("scrub: position %q: %w", state.After, err)
		}
	}
	for folder := first; folder < folders; folder++ {
		left := state.Started.Add(how.Within).Sub(how.Now())
		share := max(left/time.Duration(folders-folder), 0)
		if err := b.scrubFolder(ctx, how, state, fmt.Sprintf("%02x", folder), share); err != nil {
			return err
		}
		next := *state
		next.After = fmt.Sprintf("%02x", folder) + lastOfFolder
		*state = next
		b.scrubbed.Store(&next)
		how.save(next)
	}
	return nil
}

// lastOfFolder is behind every digest of a folder, without its first byte.
const lastOfFolder = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

// scrubFolder checks the files of one folder within a time, if the rate allows.
func (b *Blobs) scrubFolder(ctx context.Context, how Scrubbing, state *ScrubState, name string, share time.Duration) error {
	files, err := b.list(name)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f Blob) bool { return f.Digest <= state.After })
	pace := newPace(how, share, files)
	for _, f := range files {
		read, err := b.scrubFile(ctx, f, pace)
		if err != nil {
			return err
		}
		next := *state
		next.After, next.Files, next.Bytes = f.Digest, next.Files+1, next.Bytes+read
		*state = next
		b.scrubbed.Store(&next)
		if pace.saveNow() {
			how.save(next)
		}
	}
	return pace.until(ctx, share)
}

// scrubFile checks a file that somebody references. Damage is remembered; an error is
// for the scrubber to stop.
func (b *Blobs) scrubFile(ctx context.Context, f Blob, p *pace) (read int64, err error) {
	if err := p.wait(ctx, perFile); err != nil || !b.Hold(f.Digest) {
		return 0, err
	}
	defer b.Release(f.Digest)
	_, err = b.inspect(ctx, Unsized(f.Digest), func(ctx context.Context, n int) error {
		read += int64(n)
		return p.wait(ctx, n)
	})
	if ctx.Err() != nil {
		return read, context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound) {
		return read, p.wait(ctx, int(p.rate)) // too many files are open, perhaps: the next pass finds it
	}
	return read, nil
}

// list lists the files of a folder, by digest.
func (b *Blobs) list(name string) (files []Blob, err error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, name)) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list blobs: %w", err)
	}
	for _, entry := range entries {
		if !validDigest(entry.Name()) || entry.Name()[:2] != name {
			continue
		}
		f := Unsized(entry.Name())
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			f.Bytes = info.Size()
		}
		files = append(files, f)
	}
	return files, nil
}

// perFile is what opening a file counts as, in bytes.
const perFile = 4096

// pace spreads reading over time.
type pace struct {
	now     func() time.Time
	began   time.Time
	rate    float64 // bytes a second
	read    float64
	savedAt time.Time
}

func newPace(how Scrubbing, share time.Duration, files []Blob) *pace {
	total := 0.0
	for _, f := range files {
		total += float64(perFile + max(f.Bytes, 0))
	}
	rate := float64(how.MaxRate)
	if share > 0 {
		rate = min(rate, max(total/share.Seconds(), 1))
	}
	return &pace{now: how.Now, began: how.Now(), rate: rate, savedAt: how.Now()}
}

// wait waits until that many bytes more may be read.
func (p *pace) wait(ctx context.Context, bytes int) error {
	at := time.Duration(p.read / p.rate * float64(time.Second))
	p.read += float64(bytes)
	return p.until(ctx, at)
}

// until waits until so much time has passed since the pace began.
func (p *pace) until(ctx context.Context, at time.Duration) error {
	rest := time.NewTimer(at - p.now().Sub(p.began))
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-rest.C:
		return nil
	}
}

// saveNow reports whether the position is to be written again.
func (p *pace) saveNow() bool {
	if p.now().Sub(p.savedAt) < time.Minute {
		return false
	}
	p.savedAt = p.now()
	return true
}

// restore reads the position, or begins a pass.
func (s Scrubbing) restore() ScrubState {
	fresh := ScrubState{Version: scrubVersion, Started: s.Now()}
	data, err := os.ReadFile(s.Position)
	if err != nil {
		return fresh
	}
	var state ScrubState
	known := json.Unmarshal(data, &state) == nil && state.Version == scrubVersion && (state.After == "" || validDigest(state.After))
	if !known || state.Started.After(s.Now()) {
		return fresh
	}
	return state
}

// save writes the position. Where that fails, the next process begins further back.
func (s Scrubbing) save(state ScrubState) {
	data, err := json.Marshal(state)
	if err != nil || s.Position == "" {
		return
	}
	temp := s.Position + ".new"
	if os.MkdirAll(filepath.Dir(s.Position), 0o700) == nil && os.WriteFile(temp, data, 0o600) == nil {
		_ = os.Rename(temp, s.Position) // likewise
	}
}

// Pace returns what waits, before so many bytes more are read, as long as the rate of
// the scrubber asks.
func (s Scrubbing) Pace() func(ctx context.Context, bytes int) error {
	return newPace(s.withDefaults(), 0, nil).wait
}

// Verified says how far a check of all records and blobs is.
type Verified struct {
	Records int64 `json:"records"` // checked; they come first
	Files   int64 `json:"files"`   // checked
	OfFiles int64 `json:"of_files"`
	Bytes   int64 `json:"bytes"`
	OfBytes int64 `json:"of_bytes"`
}

// VerifyAll checks every blob that is on disk and referenced, now and as fast as the
// disk reads. What it finds, [Blobs.Damaged] lists. It calls progress before each
// piece.
func (b *Blobs) VerifyAll(ctx context.Context, progress func(Verified)) error {
	var v Verified
	err := b.eachFile(func(f Blob) error {
		v.OfFiles, v.OfBytes = v.OfFiles+1, v.OfBytes+max(f.Bytes, 0)
		return context.Cause(ctx)
	})
	if err != nil {
		return err
	}
	err = b.eachFile(func(f Blob) error { return b.verifyOne(ctx, f, &v, progress) })
	progress(v)
	return err
}

// eachFile calls fn with every file, by digest.
func (b *Blobs) eachFile(fn func(Blob) error) error {
	for folder := range folders {
		files, err := b.list(fmt.Sprintf("%02x", folder))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := fn(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Blobs) verifyOne(ctx context.Context, f Blob, v *Verified, progress func(Verified)) error {
	before, all := v.Bytes, v.Bytes+max(f.Bytes, 0)
	if b.Hold(f.Digest) {
		defer b.Release(f.Digest)
		_, err := b.inspect(ctx, Unsized(f.Digest), func(_ context.Context, n int) error {
			progress(*v)
			v.Bytes = min(v.Bytes+int64(n), all)
			return nil
		})
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound) {
			v.Bytes = before
			return err
		}
	}
	v.Files, v.Bytes = v.Files+1, all
	return context.Cause(ctx)
}
