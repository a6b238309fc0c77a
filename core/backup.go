package core

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"thresher/core/job"
	"thresher/core/ledger"
)

// A backup is a tar archive: files of records for each store, one JSON object a
// line; then every blob that they name, under its digest; and last the manifest,
// without which the archive is not whole. One that found damage ends with the same
// under another name, so that nobody takes it for a backup.
const (
	backupFormat   = "thresher-backup/2"
	backupManifest = "manifest.json"
	backupDamage   = "damaged.json"
)

// backupFormats are those that can be restored. The first had no list of damage.
var backupFormats = []string{"thresher-backup/1", backupFormat}

// BackupManifest says what an archive holds.
type BackupManifest struct {
	Format  string            `json:"format"`
	Created time.Time         `json:"created"`
	Records map[string]int    `json:"records"` // by store
	Digests map[string]string `json:"digests"` // SHA-256 of each store's file
	Blobs   int               `json:"blobs"`   // whole ones
	Damaged []DamagedBlob     `json:"damaged,omitempty"`
	// Discarded is how many files of blobs are in the archive that were found to be
	// damaged while they were copied.
	Discarded int `json:"discarded,omitempty"`
}

// Backing says how a backup is made.
type Backing struct {
	// SkipDamaged leaves damaged blobs out, and lists them in the manifest. Without it
	// damage is an error, once all of it is known.
	SkipDamaged bool
}

// Backup writes an archive of everything, as it is at one moment, while work goes
// on. Every blob is held against its digest. Damage is a *[ArchiveDamaged].
func (e *Engine) Backup(ctx context.Context, w io.Writer, how Backing) (BackupManifest, error) {
	m := BackupManifest{Format: backupFormat, Created: e.cfg.Now().UTC(), Records: map[string]int{}, Digests: map[string]string{}}
	b := &backup{tar: tar.NewWriter(w), manifest: &m}
	// What the records name must stay until it has been copied.
	defer e.ledger.Blobs().Freeze()()
	err := e.backupRecords(ctx, b)
	if err == nil {
		err = e.backupBlobs(ctx, b, how)
	}
	if err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	last := backupManifest
	if len(m.Damaged) > 0 && !how.SkipDamaged {
		last = backupDamage
	}
	if err := errors.Join(b.add(last, encode(m)), b.tar.Close()); err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	if last == backupDamage {
		return m, &ArchiveDamaged{m.Damaged, adviceBackup}
	}
	return m, nil
}

// backupBlobs copies blobs, and lists those that are damaged.
func (e *Engine) backupBlobs(ctx context.Context, b *backup, how Backing) error {
	reasons := map[string]string{}
	slices.SortFunc(b.blobs, func(x, y [sha256.Size]byte) int { return bytes.Compare(x[:], y[:]) })
	for _, sum := range slices.Compact(b.blobs) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		digest := hex.EncodeToString(sum[:])
		var bad *ledger.Damaged
		err := e.backupBlob(ctx, b, digest, how)
		switch {
		case errors.As(err, &bad):
			reasons[digest] = bad.Reason
		case err != nil:
			return err
		default:
			b.manifest.Blobs++
		}
	}
	owners, err := e.holders().owners(ctx, keys(reasons)...)
	if err != nil {
		return err
	}
	b.manifest.Damaged = damagedOf(reasons, owners)
	return nil
}

type backup struct {
	tar      *tar.Writer
	manifest *BackupManifest
	blobs    [][sha256.Size]byte // that the records name; some several times
}

// needs notes blobs that a record names.
func (b *backup) needs(digests ...string) {
	for _, d := range digests {
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(d)); err == nil && n == len(sum) { // else it names no blob
			b.blobs = append(b.blobs, sum)
		}
	}
}

// backupRecords writes the records of every store, as they are at one revision, and
// notes the blobs that they name.
func (e *Engine) backupRecords(ctx context.Context, b *backup) error {
	at, err := e.ledger.Snapshot()
	if err != nil {
		return err
	}
	defer at.Close()
	if err := e.backupRegistry(ctx, b, at); err != nil {
		return err
	}
	if err := addStore(ctx, b, "settings", e.settings, at, nil); err != nil {
		return err
	}
	if err := addStore(ctx, b, "datasets", e.datasets, at, func(d Dataset) { b.needs(d.digests()...) }); err != nil {
		return err
	}
	if err := addStore(ctx, b, "batches", e.batches, at, nil); err != nil {
		return err
	}
	if err := addStore(ctx, b, "bulks", e.bulks, at, nil); err != nil {
		return err
	}
	modules := map[string]bool{}
	return addStore(ctx, b, "jobs", e.jobs, at, func(r job.Record) {
		b.needs(digests(r)...)
		if d := r.Spec.Digest; !modules[d] {
			modules[d] = true
			if e.ledger.Blobs().Has(d) { // it is run again, maybe, though its version was deleted
				b.needs(d)
			}
		}
	})
}

func (e *Engine) backupRegistry(ctx context.Context, b *backup, at *ledger.Snapshot) error {
	var p *parts
	err := e.plugins.Archive(ctx, at, func(store string, record Archived, blobs ...string) error {
		b.needs(blobs...)
		if p == nil || p.name != store {
			if err := p.end(); err != nil {
				return err
			}
			p = b.parts(store)
		}
		return p.add(record)
	})
	if err == nil {
		err = p.end()
	}
	return err
}

// partSize is about how large a file of records gets.
const partSize = 8 << 20

// addStore writes the records of a store, and calls fn with each, if it is not nil.
func addStore[T any](ctx context.Context, b *backup, name string, s *ledger.Store[T], at *ledger.Snapshot, fn func(T)) error {
	p := b.parts(name)
	err := s.Each(ctx, at, func(f ledger.Found[T]) error {
		if fn != nil {
			fn(f.Entry().Value)
		}
		return p.add(Archived{f.Key, f.AppendJSON(nil)})
	})
	if err != nil {
		return err
	}
	return p.end()
}

// parts writes the records of a store in parts, so that no more than one is in memory.
type parts struct {
	backup   *backup
	name     string
	part     []byte
	sum      hash.Hash
	n, count int
}

func (b *backup) parts(name string) *parts { return &parts{backup: b, name: name, sum: sha256.New()} }

func (p *parts) add(record Archived) error {
	p.count++
	p.part = append(append(p.part, encode(record)...), '\n')
	if len(p.part) >= partSize {
		return p.flush()
	}
	return nil
}

func (p *parts) flush() error {
	p.n++
	p.sum.Write(p.part)
	err := p.backup.add(fmt.Sprintf("records/%s/%06d.ndjson", p.name, p.n), p.part)
	p.part = p.part[:0]
	return err
}

// end writes what is left, and notes in the manifest what came. A nil has nothing.
func (p *parts) end() error {
	if p == nil {
		return nil
	}
	p.backup.manifest.Records[p.name] = p.count
	err := p.flush()
	p.backup.manifest.Digests[p.name] = hex.EncodeToString(p.sum.Sum(nil))
	return err
}

func (b *backup) begin(name string, mode, size int64) error {
	return b.tar.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: size, ModTime: b.manifest.Created})
}

func (b *backup) add(name string, content []byte) error {
	if err := b.begin(name, 0o600, int64(len(content))); err != nil {
		return err
	}
	_, err := b.tar.Write(content)
	return err
}

// wholeInMemory is up to which size a blob is read before its first byte is written.
const wholeInMemory = 4 << 20

// backupBlob copies a blob. Where it is damaged nothing of it is written, unless it is
// large and damage is an error anyway.
func (e *Engine) backupBlob(ctx context.Context, b *backup, digest string, how Backing) error {
	blobs, blob := e.ledger.Blobs(), ledger.Unsized(digest)
	var small bytes.Buffer
	direct := false
	err := blobs.Copy(ctx, blob, func(size int64) (io.Writer, error) {
		if size <= wholeInMemory {
			return &small, nil
		}
		if how.SkipDamaged {
			if err := blobs.Check(ctx, blob); err != nil { // another reading, where it was not read before
				return nil, err
			}
		}
		direct = true
		return b.tar, b.begin("blobs/"+digest, 0o400, size)
	})
	if direct && errors.Is(err, ledger.ErrDamaged) {
		b.manifest.Discarded++
	}
	if err != nil || direct {
		return err
	}
	if err := b.begin("blobs/"+digest, 0o400, int64(small.Len())); err != nil {
		return err
	}
	_, err = b.tar.Write(small.Bytes())
	return err
}
