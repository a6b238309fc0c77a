package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	gojson "github.com/goccy/go-json"

	"thresher/core/guard"
)

// Found is a record as it was found. It is decoded when it is asked for.
type Found[T any] struct {
	Key      string
	Position uint64 // in the order of creation
	Revision uint64
	Live     bool // it was live, as the store's config says
	decoded  *T   // nil: decode data
	data     []byte
}

func foundOf[T any](it *item, live bool) Found[T] {
	decoded, _ := it.value.(*T) // nil where only the JSON is in memory
	return Found[T]{Key: it.key, Position: it.position, Revision: it.revision, Live: live, decoded: decoded, data: it.data}
}

// AppendJSON adds the record as JSON, as it was written.
func (f Found[T]) AppendJSON(to []byte) []byte { return append(to, f.data...) }

// Entry returns the record.
func (f Found[T]) Entry() Entry[T] {
	return Entry[T]{Key: f.Key, Revision: f.Revision, Value: *f.value()}
}

func (f Found[T]) value() *T {
	if f.decoded != nil {
		return f.decoded
	}
	v := new(T)
	if err := gojson.Unmarshal(f.data, v); err != nil {
		panic(fmt.Sprintf("ledger: the record %s matches its checksum and does not decode: %v", f.Key, err))
	}
	return v
}

// Get returns a record, or ErrNotFound.
func (s *Store[T]) Get(ctx context.Context, key string) (Entry[T], error) {
	found, err := s.look(ctx, key)
	if err != nil {
		return Entry[T]{}, err
	}
	return readAs[T](s.ledger.faults, found).Entry(), nil
}

// look returns a record from memory, or from disk as of the newest commit.
func (s *Store[T]) look(ctx context.Context, key string) (found Found[T], err error) {
	guard.Blocking("read of a record")
	var it *item
	var live, absent bool
	var snap *snapshot
	err = s.ledger.view.Do(ctx, func(v *view) {
		k := v.kinds[s.kind.name]
		if v.at != nil {
			if _, absent = k.absent.Get(key); absent {
				return
			}
		}
		if it = k.get(key); it != nil && it.value != nil {
			_, live = k.live[it.position]
			return
		}
		if v.at != nil {
			snap = v.at.reference()
		}
	})
	switch {
	case err != nil:
		return found, err
	case absent:
		return found, fmt.Errorf("%s %s: %w", s.kind.name, key, ErrNotFound)
	case snap == nil && it == nil:
		return found, ErrClosed
	case snap == nil:
		return foundOf[T](it, live), nil
	}
	defer snap.release()
	if it, err = s.kind.read(snap, key); err != nil {
		if errors.Is(err, ErrNotFound) {
			s.rememberAbsent(snap, key)
		}
		return found, fmt.Errorf("%s %s: %w", s.kind.name, key, err)
	}
	if it.value, err = s.kind.decode(it.data); err != nil {
		return found, fmt.Errorf("%w: %s %s: %w", ErrCorrupt, s.kind.name, key, err)
	}
	s.remember(snap, it)
	return foundOf[T](it, false), nil
}

// remember keeps records that were read, unless one of the kind was written since.
func (s *Store[T]) remember(snap *snapshot, items ...*item) {
	s.ledger.view.Must(func(v *view) {
		k := v.kinds[s.kind.name]
		if k.revision > snap.revision {
			return
		}
		for _, it := range items {
			if k.live[it.position] == nil {
				k.put(it, false)
			}
		}
	})
}

// rememberAbsent keeps that no record has a key, likewise.
func (s *Store[T]) rememberAbsent(snap *snapshot, key string) {
	s.ledger.view.Must(func(v *view) {
		if k := v.kinds[s.kind.name]; k.revision <= snap.revision && len(key) <= maxKey {
			k.absent.Add(strings.Clone(key), struct{}{})
		}
	})
}

// reader is a store to read from: as it is, or as it was at a snapshot.
type reader interface {
	pebble.Reader
}

// read reads a record by its key, or returns ErrNotFound.
func (k *kind) read(from reader, key string) (*item, error) {
	position, err := k.positionOf(from, key)
	if err != nil {
		return nil, err
	}
	return k.readAt(from, position)
}

// positionOf returns the position of a record, or ErrNotFound.
func (k *kind) positionOf(from reader, key string) (uint64, error) {
	b, closer, err := from.Get(k.keyKey(key))
	if err != nil {
		return 0, storeError(err)
	}
	defer closer.Close()
	return decodeUint(b)
}

// readAt reads the record at a position, or returns ErrNotFound.
func (k *kind) readAt(from reader, position uint64) (*item, error) {
	b, closer, err := from.Get(k.recordKey(position))
	if err != nil {
		return nil, storeError(err)
	}
	defer closer.Close()
	return itemOf(position, b)
}

// itemOf copies a record that was read.
func itemOf(position uint64, b []byte) (*item, error) {
	revision, key, data, err := decodeRecord(position, b)
	if err != nil {
		return nil, err
	}
	return &item{key: key, position: position, revision: revision, data: append(make([]byte, 0, len(data)), data...)}, nil
}

// corruption is an error of the store below that found damage. Its text is one line: the
// store's own goes on with stack traces, or with what it attaches to an error.
type corruption struct{ err error }

func (e *corruption) Error() string { return ErrCorrupt.Error() + ": " + reasonOf(e.err) }

// Unwrap returns ErrCorrupt and the store's error.
func (e *corruption) Unwrap() []error { return []error{ErrCorrupt, e.err} }

// storeError says what an error of the store below means.
func storeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return ErrNotFound
	case pebble.IsCorruptionError(err):
		return &corruption{err}
	case errors.Is(err, pebble.ErrClosed):
		return ErrClosed
	}
	return err
}

// openError is storeError for a store that could not be opened. The names in its options
// never change: another name is damage, although the store below does not call it that.
func openError(dir string, err error) error {
	if err == nil {
		return nil
	}
	expected := &pebble.Options{Comparer: comparer}
	expected.EnsureDefaults()
	paths, _ := filepath.Glob(filepath.Join(dir, "OPTIONS-*")) // the pattern is right
	for _, path := range paths {
		if text, readErr := os.ReadFile(path); readErr == nil && expected.CheckCompatibility(dir, string(text)) != nil {
			return &corruption{fmt.Errorf("records/%s: %w", filepath.Base(path), err)}
		}
	}
	return storeError(err)
}

// Verify compares what is in memory of a record with what is on disk. It returns an
// error that wraps ErrCorrupt if they differ, or ErrNotFound.
func (s *Store[T]) Verify(ctx context.Context, key string) error {
	var it *item
	var snap *snapshot
	err := s.ledger.view.Do(ctx, func(v *view) {
		it = v.kinds[s.kind.name].get(key)
		if v.at != nil {
			snap = v.at.reference()
		}
	})
	if err != nil {
		return err
	}
	if snap == nil {
		return ErrClosed
	}
	defer snap.release()
	stored, err := s.kind.read(snap, key)
	switch {
	case errors.Is(err, ErrNotFound) && it != nil:
		return fmt.Errorf("%w: %s %s is not on disk", ErrCorrupt, s.kind.name, key)
	case err != nil:
		return fmt.Errorf("%s %s: %w", s.kind.name, key, err)
	case it == nil:
		return nil
	}
	return s.compare(it, stored)
}

func (s *Store[T]) compare(it, stored *item) error {
	if it.revision != stored.revision {
		return fmt.Errorf("%w: %s %s is at revision %d, on disk at %d", ErrCorrupt, s.kind.name, it.key, it.revision, stored.revision)
	}
	data := it.data
	if it.value != nil {
		var err error
		if data, err = json.Marshal(it.value); err != nil {
			return fmt.Errorf("%s %s: %w", s.kind.name, it.key, err)
		}
	}
	if string(data) != string(stored.data) {
		return fmt.Errorf("%w: %s %s differs from what is on disk", ErrCorrupt, s.kind.name, it.key)
	}
	return nil
}
