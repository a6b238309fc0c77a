package core

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"math"
	"os"
	"slices"
	"strings"

	"thresher/core/job"
	"thresher/core/ledger"
)

// Restoring says how an archive is restored.
type Restoring struct {
	// SkipDamaged restores all else where blobs are damaged or missing: their records
	// are there, and reading them is an error. The manifest that Restore returns lists
	// them.
	SkipDamaged bool
}

// badArchive says what is wrong with an archive that cannot be restored.
type badArchive string

func (e badArchive) Error() string { return string(e) }

// Unwrap returns ledger.ErrDamaged.
func (badArchive) Unwrap() error { return ledger.ErrDamaged }

const errNoManifest badArchive = "the archive ends before its manifest: it is not whole"

// unreadable says why an archive could not be read on.
func unreadable(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errNoManifest
	case errors.Is(err, tar.ErrHeader):
		return badArchive("this is not a tar archive, or it is damaged: want a file that `thresher backup` wrote")
	}
	return fmt.Errorf("read the archive: %w", err)
}

// Restore makes a data folder of an archive. The folder must not exist, or be
// empty. Every file is held against its digest; where an archive is damaged or not
// whole, no folder is made. Damaged blobs are a *[ArchiveDamaged].
func Restore(ctx context.Context, r io.Reader, dir string, how Restoring) (m BackupManifest, err error) {
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return m, invalid("data", "%s is not empty: restore makes a new folder", dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return m, invalid("data", "%v: want a folder that is empty or does not exist", err)
	}
	work := strings.TrimRight(dir, "/") + ".restoring"
	if err := os.Mkdir(work, 0o700); errors.Is(err, os.ErrExist) {
		return m, invalid("data", "%s exists: another restore is under way, or it was killed; then remove that folder", work)
	} else if err != nil {
		return m, invalid("data", "%v", err)
	}
	if m, err = restoreInto(ctx, r, work, how); err != nil {
		return m, errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(work))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("restore: %w", err)
	}
	return m, os.Rename(work, dir)
}

func restoreInto(ctx context.Context, r io.Reader, dir string, how Restoring) (m BackupManifest, err error) {
	l, err := ledger.Open(ctx, ledger.Config{Dir: dir})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	x := newExtraction(l)
	if err := x.open(ctx); err != nil {
		return m, err
	}
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return x.finish(ctx, how)
		}
		if err != nil {
			return m, unreadable(err)
		}
		if err := x.file(ctx, header, archive); err != nil {
			return m, err
		}
	}
}

// open opens the stores that an archive may have records of. Those of a registry are
// written as they come: it indexes them when it opens them.
func (x *extraction) open(ctx context.Context) (err error) {
	if x.jobs, err = openRestored(ctx, x, "jobs", JobStore()); err != nil {
		return err
	}
	if x.datasets, err = openRestored(ctx, x, "datasets", datasetStore()); err != nil {
		return err
	}
	_, settings := openRestored(ctx, x, "settings", ledger.StoreConfig[Limits]{})
	_, batches := openRestored(ctx, x, "batches", batchStore())
	_, bulks := openRestored(ctx, x, "bulks", bulkStore())
	if err := errors.Join(settings, batches, bulks); err != nil {
		return err
	}
	for _, name := range registryStores {
		s, err := openRestored(ctx, x, name, ledger.StoreConfig[json.RawMessage]{Unindexed: true})
		if err != nil {
			return err
		}
		if name == modulesStore {
			x.modules = s
		}
	}
	return nil
}

// ReadManifest reads an archive to its end and returns its manifest. One that is
// not whole is an error; one whose making found damage is a *[ArchiveDamaged].
func ReadManifest(r io.Reader) (m BackupManifest, err error) {
	archive := tar.NewReader(r)
	blobs, last := 0, ""
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("the archive is not whole: %w", err)
		}
		last = header.Name
		if strings.HasPrefix(last, "blobs/") {
			blobs++
		}
		if isManifest(last) {
			if err := json.NewDecoder(archive).Decode(&m); err != nil {
				return m, fmt.Errorf("the archive is damaged: %w", err)
			}
		}
	}
	switch {
	case !slices.Contains(backupFormats, m.Format) || m.Blobs+m.Discarded != blobs:
		return m, errors.New("the archive is not whole")
	case last == backupDamage:
		return m, &ArchiveDamaged{m.Damaged, adviceBackup}
	}
	return m, nil
}

func isManifest(name string) bool { return name == backupManifest || name == backupDamage }

// extraction is a restore under way.
type extraction struct {
	ledger   *ledger.Ledger
	stores   map[string]*restored
	records  map[string]int
	blobs    int               // whole ones
	damaged  map[string]string // digest → why
	manifest BackupManifest

	jobs     *ledger.Store[job.Record]
	datasets *ledger.Store[Dataset]
	modules  *ledger.Store[json.RawMessage]
}

func newExtraction(l *ledger.Ledger) *extraction {
	return &extraction{ledger: l, stores: map[string]*restored{}, records: map[string]int{}, damaged: map[string]string{}}
}

// restored is a store that is being restored.
type restored struct {
	sum hash.Hash
	put func(ctx context.Context, lines []byte) (n int, err error)
}

func openRestored[T any](ctx context.Context, x *extraction, name string, cfg ledger.StoreConfig[T]) (*ledger.Store[T], error) {
	cfg.MaxBytes = 1 << 20 // as much as the message broker took: a record of an older program may be larger than its kind is now
	s, err := ledger.OpenStore(ctx, x.ledger, name, cfg)
	if err != nil {
		return nil, err
	}
	x.stores[name] = &restored{sum: sha256.New(), put: func(ctx context.Context, lines []byte) (int, error) {
		return putLines(ctx, x.ledger, s, lines)
	}}
	return s, nil
}

// putLines writes records in their order, many in one commit.
func putLines[T any](ctx context.Context, l *ledger.Ledger, s *ledger.Store[T], lines []byte) (n int, err error) {
	next, stop := iter.Pull(bytes.Lines(lines))
	defer stop()
	for more := true; more; {
		some := 0
		err := l.Atomically(ctx, func(tx *ledger.Tx) error {
			for size := 0; some < ledger.MaxWrites && size < ledger.MaxCommitBytes/2; some++ {
				line, ok := next()
				if more = ok; !more {
					return nil
				}
				size += len(line)
				if err := putLine(s, tx, line); err != nil {
					return err
				}
			}
			return nil
		})
		if n += some; err != nil {
			return n, err
		}
	}
	return n, nil
}

func putLine[T any](s *ledger.Store[T], tx *ledger.Tx, line []byte) error {
	var record Archived
	var value T
	if err := json.Unmarshal(line, &record); err != nil {
		return fmt.Errorf("a record is damaged: %w", err)
	}
	if err := json.Unmarshal(record.Value, &value); err != nil {
		return fmt.Errorf("the record %s is damaged: %w", record.Key, err)
	}
	return s.Add(tx, record.Key, value)
}

// file takes in one file of the archive.
func (x *extraction) file(ctx context.Context, header *tar.Header, content io.Reader) error {
	if digest, ok := strings.CutPrefix(header.Name, "blobs/"); ok {
		return x.blob(ctx, digest, content)
	}
	if header.Size > 2*partSize {
		return badArchive(fmt.Sprintf("the archive is damaged: %s has %d bytes, want at most %d", header.Name, header.Size, 2*partSize))
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return unreadable(err)
	}
	if isManifest(header.Name) {
		if err := json.Unmarshal(data, &x.manifest); err != nil || !slices.Contains(backupFormats, x.manifest.Format) {
			return fmt.Errorf("the archive is a %q: want one of %s", x.manifest.Format, strings.Join(backupFormats, ", "))
		}
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(header.Name, "records/"), "/")
	store, ok := x.stores[name]
	if !ok {
		return fmt.Errorf("the archive has %s, which this version does not know", header.Name)
	}
	store.sum.Write(data)
	n, err := store.put(ctx, data)
	x.records[name] += n
	return err
}

func (x *extraction) blob(ctx context.Context, digest string, content io.Reader) error {
	blob, err := x.ledger.Blobs().Put(ctx, content, math.MaxInt64)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return badArchive("the archive ends within the blob " + digest + ": it is not whole")
	}
	if err != nil {
		return err
	}
	if blob.Digest != digest {
		x.ledger.Blobs().Release(blob.Digest) // nobody needs it: it goes with the first start
		x.damaged[digest] = "its content in the archive is " + blob.Digest
		return nil
	}
	x.blobs++
	return nil
}

// finish holds what came against what the manifest says.
func (x *extraction) finish(ctx context.Context, how Restoring) (BackupManifest, error) {
	m := x.manifest
	if m.Format == "" {
		return m, errNoManifest
	}
	nothing := hex.EncodeToString(sha256.New().Sum(nil)) // of a store that the archive knows nothing of
	for name, store := range x.stores {
		if hex.EncodeToString(store.sum.Sum(nil)) != cmp.Or(m.Digests[name], nothing) || x.records[name] != m.Records[name] {
			return m, badArchive("the archive is damaged: the records of " + name + " are not those that were written")
		}
	}
	if m.Blobs == x.blobs && len(m.Damaged)+len(x.damaged) == 0 {
		return m, nil
	}
	if err := x.survey(ctx); err != nil {
		return m, err
	}
	if !how.SkipDamaged {
		return m, &ArchiveDamaged{x.manifest.Damaged, adviceRestore}
	}
	x.manifest.Blobs = x.blobs
	return x.manifest, nil
}

// survey lists in the manifest every blob that a record names and that is not there.
func (x *extraction) survey(ctx context.Context) error {
	reasons := map[string]string{}
	err := x.holders().blobs(ctx, x.ledger, func(b ledger.Blob) {
		if !x.ledger.Blobs().Has(b.Digest) {
			reasons[b.Digest] = cmp.Or(x.damaged[b.Digest], "its file is missing from the archive")
		}
	})
	if err != nil {
		return err
	}
	for _, d := range x.manifest.Damaged { // why, as the one knew who made the archive
		if _, ok := reasons[d.Digest]; ok && x.damaged[d.Digest] == "" {
			reasons[d.Digest] = d.Reason
		}
	}
	owners, err := x.holders().owners(ctx, keys(reasons)...)
	x.manifest.Damaged = damagedOf(reasons, owners)
	return err
}

// holders are the records that were restored.
func (x *extraction) holders() holders {
	return holders{x.jobs, x.datasets, func(ctx context.Context) (list []KeptModule, err error) {
		all, err := x.modules.Snapshot(ctx)
		for _, found := range all {
			if m := archivedModule(found.Entry().Value); m.Digest != "" {
				list = append(list, m)
			}
		}
		return list, err
	}}
}

// archivedModule reads of a registry's record which bytes it keeps.
func archivedModule(raw json.RawMessage) KeptModule {
	var m struct {
		Digest, Phase string
		Bytes         int64
		Report        struct {
			Plugin struct{ Name, Version string }
		}
	}
	if json.Unmarshal(raw, &m) != nil || m.Phase == "rejected" {
		return KeptModule{}
	}
	return KeptModule{ledger.Blob{Digest: m.Digest, Bytes: m.Bytes}, m.Report.Plugin.Name, m.Report.Plugin.Version}
}
