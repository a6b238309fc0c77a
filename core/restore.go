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
	"strings"

	"thresher/core/ledger"
)

// Restore makes a data folder of an archive. The folder must not exist, or be
// empty. Every file is held against its digest; where an archive is damaged or not
// whole, no folder is made.
func Restore(ctx context.Context, r io.Reader, dir string) (m BackupManifest, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return m, invalid("data", "%s is not empty: restore makes a new folder", dir)
	}
	work := strings.TrimRight(dir, "/") + ".restoring"
	if err := os.Mkdir(work, 0o700); err != nil {
		return m, invalid("data", "%v: another restore is under way, or left it", err)
	}
	if m, err = restoreInto(ctx, r, work); err != nil {
		return m, errors.Join(fmt.Errorf("restore: %w", err), os.RemoveAll(work))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("restore: %w", err)
	}
	return m, os.Rename(work, dir)
}

func restoreInto(ctx context.Context, r io.Reader, dir string) (m BackupManifest, err error) {
	l, err := ledger.Open(ctx, ledger.Config{Dir: dir})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	x := &extraction{ledger: l, stores: map[string]*restored{}, records: map[string]int{}}
	if err := errors.Join(
		openRestored(ctx, x, "settings", ledger.StoreConfig[Limits]{}), openRestored(ctx, x, "datasets", datasetStore()),
		openRestored(ctx, x, "batches", batchStore()), openRestored(ctx, x, "bulks", bulkStore()),
		openRestored(ctx, x, "jobs", JobStore())); err != nil {
		return m, err
	}
	for _, name := range registryStores {
		if err := openRestored(ctx, x, name, ledger.StoreConfig[json.RawMessage]{Unindexed: true}); err != nil {
			return m, err
		}
	}
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return x.manifest, x.check()
		}
		if err != nil {
			return m, fmt.Errorf("the archive is damaged: %w", err)
		}
		if err := x.file(ctx, header, archive); err != nil {
			return m, err
		}
	}
}

// ReadManifest reads an archive to its end and returns its manifest. One that is
// not whole is an error.
func ReadManifest(r io.Reader) (m BackupManifest, err error) {
	archive := tar.NewReader(r)
	blobs := 0
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("the archive is not whole: %w", err)
		}
		if strings.HasPrefix(header.Name, "blobs/") {
			blobs++
		}
		if header.Name == backupManifest {
			if err := json.NewDecoder(archive).Decode(&m); err != nil {
				return m, fmt.Errorf("the archive is damaged: %w", err)
			}
		}
	}
	if m.Format != backupFormat || m.Blobs != blobs {
		return m, errors.New("the archive is not whole")
	}
	return m, nil
}

// extraction is a restore under way.
type extraction struct {
	ledger   *ledger.Ledger
	stores   map[string]*restored
	records  map[string]int
	blobs    int
	manifest BackupManifest
}

// restored is a store that is being restored.
type restored struct {
	sum hash.Hash
	put func(ctx context.Context, lines []byte) (n int, err error)
}

func openRestored[T any](ctx context.Context, x *extraction, name string, cfg ledger.StoreConfig[T]) error {
	cfg.MaxBytes = 1 << 20 // as much as the message broker took: a record of an older program may be larger than its kind is now
	s, err := ledger.OpenStore(ctx, x.ledger, name, cfg)
	if err != nil {
		return err
	}
	x.stores[name] = &restored{sum: sha256.New(), put: func(ctx context.Context, lines []byte) (int, error) {
		return putLines(ctx, x.ledger, s, lines)
	}}
	return nil
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
		return fmt.Errorf("the archive is damaged: %s has %d bytes", header.Name, header.Size)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("the archive is damaged: %w", err)
	}
	if header.Name == backupManifest {
		if err := json.Unmarshal(data, &x.manifest); err != nil || x.manifest.Format != backupFormat {
			return fmt.Errorf("the archive is a %q: want %s", x.manifest.Format, backupFormat)
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
		return fmt.Errorf("the archive ends within the blob %s: it is not whole", digest)
	}
	if err != nil {
		return err
	}
	if blob.Digest != digest {
		return fmt.Errorf("the blob %s is damaged: its content is %s", digest, blob.Digest)
	}
	x.blobs++
	return nil
}

// check holds what came against what the manifest says.
func (x *extraction) check() error {
	m := x.manifest
	if m.Format == "" {
		return errors.New("the archive ends before its manifest: it is not whole")
	}
	if m.Blobs != x.blobs {
		return fmt.Errorf("the archive is damaged: it has %d blobs, its manifest %d", x.blobs, m.Blobs)
	}
	nothing := hex.EncodeToString(sha256.New().Sum(nil)) // of a store that the archive knows nothing of
	for name, store := range x.stores {
		if hex.EncodeToString(store.sum.Sum(nil)) != cmp.Or(m.Digests[name], nothing) || x.records[name] != m.Records[name] {
			return fmt.Errorf("the archive is damaged: the records of %s are not those that were written", name)
		}
	}
	return nil
}
