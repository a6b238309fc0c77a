package core

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"time"

	"thresher/core/ledger"
)

// A backup is a tar archive: files of records for each store, one JSON object a
// line; then every blob that they name, under its digest; and last the manifest,
// without which the archive is not whole.
const (
	backupFormat   = "thresher-backup/1"
	backupManifest = "manifest.json"
)

// BackupManifest says what an archive holds.
type BackupManifest struct {
	Format  string            `json:"format"`
	Created time.Time         `json:"created"`
	Records map[string]int    `json:"records"` // by store
	Digests map[string]string `json:"digests"` // SHA-256 of each store's file
	Blobs   int               `json:"blobs"`
}

// Backup writes an archive of everything, as it is at one moment, while work goes
// on.
func (e *Engine) Backup(ctx context.Context, w io.Writer) (BackupManifest, error) {
	m := BackupManifest{Format: backupFormat, Created: e.cfg.Now().UTC(), Records: map[string]int{}, Digests: map[string]string{}}
	b := &backup{tar: tar.NewWriter(w), manifest: &m}
	// What the records name must stay until it has been copied: it is held.
	held, err := e.backupRecords(ctx, b)
	defer e.ledger.Blobs().Release(held...)
	if err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	for _, digest := range slices.Compact(slices.Sorted(slices.Values(held))) {
		if ctx.Err() != nil {
			return m, context.Cause(ctx)
		}
		if err := e.backupBlob(b, digest); err != nil {
			return m, fmt.Errorf("backup: %w", err)
		}
	}
	if err := errors.Join(b.add(backupManifest, encode(m)), b.tar.Close()); err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	return m, nil
}

type backup struct {
	tar      *tar.Writer
	manifest *BackupManifest
}

// backupRecords writes the records of every store, and holds the blobs that they
// name.
func (e *Engine) backupRecords(ctx context.Context, b *backup) (held []string, err error) {
	// Jobs name batches and datasets, and not the other way round.
	jobs, err := e.jobs.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	modules := map[string]bool{}
	for _, found := range jobs {
		if names := digests(found.Entry().Value); e.ledger.Blobs().Hold(names...) {
			held = append(held, names...)
		} // if not, it was deleted in this moment
		if d := found.Entry().Value.Spec.Digest; !modules[d] && e.ledger.Blobs().Has(d) && e.ledger.Blobs().Hold(d) {
			held, modules[d] = append(held, d), true // it is run again, maybe, though its version was deleted
		}
	}
	datasets, err := e.datasets.Snapshot(ctx)
	if err != nil {
		return held, err
	}
	for _, found := range datasets {
		if names := found.Entry().Value.digests(); e.ledger.Blobs().Hold(names...) {
			held = append(held, names...)
		}
	}
	batches, err := e.batches.Snapshot(ctx)
	if err != nil {
		return held, err
	}
	bulks, err := e.bulks.Snapshot(ctx)
	if err != nil {
		return held, err
	}
	settings, err := e.settings.Snapshot(ctx)
	if err != nil {
		return held, err
	}
	stores, uploaded, err := e.plugins.Archive(ctx)
	held = append(held, uploaded...)
	if err != nil {
		return held, err
	}
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		if err := addRecords(b, name, slices.Values(stores[name])); err != nil {
			return held, err
		}
	}
	return held, errors.Join(addStore(b, "settings", settings), addStore(b, "datasets", datasets),
		addStore(b, "batches", batches), addStore(b, "bulks", bulks), addStore(b, "jobs", jobs))
}

// partSize is about how large a file of records gets.
const partSize = 8 << 20

func addStore[T any](b *backup, name string, entries []ledger.Found[T]) error {
	return addRecords(b, name, func(yield func(Archived) bool) {
		for _, entry := range entries {
			if !yield(Archived{entry.Key, entry.AppendJSON(nil)}) {
				return
			}
		}
	})
}

// addRecords writes the records of a store, in parts, so that no more than one is in
// memory.
func addRecords(b *backup, name string, records iter.Seq[Archived]) error {
	sum := sha256.New()
	var part []byte
	n, count := 0, 0
	flush := func() error {
		n++
		sum.Write(part)
		err := b.add(fmt.Sprintf("records/%s/%06d.ndjson", name, n), part)
		part = part[:0]
		return err
	}
	for record := range records {
		count++
		part = append(append(part, encode(record)...), '\n')
		if len(part) >= partSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	b.manifest.Records[name] = count
	b.manifest.Digests[name] = hex.EncodeToString(sum.Sum(nil))
	return nil
}

func (b *backup) add(name string, content []byte) error {
	if err := b.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: b.manifest.Created}); err != nil {
		return err
	}
	_, err := b.tar.Write(content)
	return err
}

func (e *Engine) backupBlob(b *backup, digest string) error {
	f, err := e.ledger.Blobs().Open(digest)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := b.tar.WriteHeader(&tar.Header{Name: path.Join("blobs", digest), Mode: 0o400, Size: info.Size(), ModTime: b.manifest.Created}); err != nil {
		return err
	}
	b.manifest.Blobs++
	_, err = io.Copy(b.tar, f)
	return err
}
