package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sys/unix"
)

// Bounds on an Arrow file. A few compressed bytes can stand for any number of
// values, a column of nulls takes no bytes at all, and a footer can name one batch any
// number of times.
const (
	maxArrowBatch  = 1 << 28 // rows
	maxArrowMemory = 1 << 30 // bytes of decompressed buffers at a time
	anyWork        = 1 << 28 // bytes of batches that any file may have, all together
)

// maxWork bounds the bytes of all batches of a file together. Batches that share no bytes
// have no more than the file itself.
func maxWork(bytes int) int64 { return max(anyWork, maxGrowth*int64(bytes)) }

// importArrow copies an Arrow file or stream, with every column in one of the
// types that tables have.
func importArrow(ctx context.Context, in *input, dir string) (Sealed, error) {
	if in.bytes == 0 {
		return Sealed{}, malformedArrow(errors.New("it is empty"))
	}
	data, err := mapFile(in.spool)
	if err != nil {
		return Sealed{}, err
	}
	sealed, err := copyArrow(ctx, data, in, dir)
	return sealed, errors.Join(err, unix.Munmap(data))
}

func malformedArrow(why any) error {
	return &ImportError{Message: fmt.Sprintf("not a readable Arrow file: %v", why)}
}

func copyArrow(ctx context.Context, data []byte, in *input, dir string) (s Sealed, err error) {
	var out *sink
	defer func() {
		// The Arrow reader panics on some malformed files.
		if r := recover(); r != nil {
			err = malformedArrow(r)
		}
		if err != nil && out != nil {
			err = errors.Join(err, out.abort())
		}
	}()
	schema, batches, err := openArrow(data, in)
	if err != nil {
		return s, malformedArrow(err)
	}
	target, err := normalSchema(schema)
	if err != nil {
		return s, &ImportError{Message: err.Error()}
	}
	if err := checkImported(target); err != nil {
		return s, err
	}
	if out, err = newSink(dir, target); err != nil {
		return s, err
	}
	c := &converter{in: in, out: out, dictionaries: make([]castDictionary, target.NumFields())}
	for batch, err := range batches {
		if err != nil {
			return s, malformedArrow(err)
		}
		err := in.bounds.pause(int(batchBytes(batch)))
		if err == nil {
			err = c.convert(ctx, batch)
		}
		batch.Release()
		if err != nil {
			return s, err
		}
	}
	return out.seal()
}

type batches = func(yield func(arrow.RecordBatch, error) bool)

// openArrow reads either form; they differ in the first bytes. Who takes a batch
// releases it.
func openArrow(data []byte, in *input) (*arrow.Schema, batches, error) {
	most := in.memory(maxArrowMemory)
	options := []ipc.Option{
		ipc.WithAllocator(&limited{Allocator: memory.DefaultAllocator, most: most, left: most, inAll: in.unpacked()}),
		ipc.WithMetadataSizeLimit(maxMetadata),
	}
	if bytes.HasPrefix(data, ipc.Magic) {
		return openArrowFile(data, options)
	}
	return openArrowStream(data, options)
}

func openArrowFile(data []byte, options []ipc.Option) (*arrow.Schema, batches, error) {
	if err := checkFile(data); err != nil {
		return nil, nil, err
	}
	// Not NewMappedFileReader: it loses dictionaries. Bytes without compression are
	// copied, a batch at a time.
	r, err := ipc.NewFileReader(bytes.NewReader(data), append(options, ipc.WithBodySizeLimit(maxArrowMemory))...)
	if err != nil {
		return nil, nil, err
	}
	return r.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
		for i := range r.NumRecords() {
			if b, err := r.RecordBatchAt(i); !yield(b, err) || err != nil {
				return
			}
		}
	}, nil
}

func openArrowStream(data []byte, options []ipc.Option) (*arrow.Schema, batches, error) {
	if err := checkStream(data); err != nil {
		return nil, nil, err
	}
	r, err := ipc.NewReader(bytes.NewReader(data), append(options, ipc.WithBodySizeLimit(maxArrowMemory))...)
	if err != nil {
		return nil, nil, err
	}
	return r.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
		for r.Next() {
			b := r.RecordBatch()
			b.Retain()
			if !yield(b, nil) {
				return
			}
		}
		if err := r.Err(); err != nil {
			yield(nil, err)
		}
	}, nil
}

// limited is an allocator that refuses, with a panic as an allocator must, what
// goes over its limits.
type limited struct {
	memory.Allocator
	most  int64 // bytes at a time
	left  int64 // of them, now
	inAll int64 // bytes that may still be taken until the file has been read
}

func (l *limited) take(n int) {
	if l.left -= int64(n); l.left < 0 {
		panic(fmt.Errorf("a batch takes more than %d bytes of memory", l.most))
	}
	if l.inAll -= int64(max(n, 0)); l.inAll < 0 {
		panic(errors.New("its batches, all together, unpack to more than it may hold"))
	}
}

// Allocate implements memory.Allocator.
func (l *limited) Allocate(n int) []byte {
	l.take(n)
	return l.Allocator.Allocate(n)
}

// Reallocate implements memory.Allocator.
func (l *limited) Reallocate(n int, b []byte) []byte {
	l.take(n - len(b))
	return l.Allocator.Reallocate(n, b)
}

// Free implements memory.Allocator.
func (l *limited) Free(b []byte) {
	l.left += int64(len(b))
	l.Allocator.Free(b)
}
