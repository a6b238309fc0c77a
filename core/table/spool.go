package table

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// spool is a file of batches that are written one after the other and read again
// meanwhile. It has no name, so that nothing is left of it however the process ends.
type spool struct {
	file *os.File
	out  *bufio.Writer // empty between appends: readers see all that was appended
	ipc  *ipcFile
	head int64 // bytes before the first batch
}

func newSpool(dir string, schema *arrow.Schema) (*spool, error) {
	file, err := os.CreateTemp(dir, "growing-")
	if err != nil {
		return nil, err
	}
	s := &spool{file: file, out: bufio.NewWriter(file)}
	err = os.Remove(file.Name())
	if err == nil {
		s.ipc, err = newIPCFile(s.out, schema)
	}
	if err == nil {
		err = s.out.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s.head = s.ipc.offset
	return s, nil
}

// append writes a batch, in parts if it is large: readers read a whole one at a time.
func (s *spool) append(batch arrow.RecordBatch) error {
	for from := int64(0); from < batch.NumRows(); {
		part := newPending(s.ipc.schema)
		n := part.fits(batch, from)
		part.add(batch.NewSlice(from, from+n))
		if err := s.ipc.append(part.body()); err != nil {
			return err
		}
		from += n
	}
	return s.out.Flush()
}

// read reads a batch back: the schema, which is at the file's start, and then the batch,
// as a stream.
func (s *spool) read(b block, fn func(arrow.RecordBatch) error) error {
	const magic = 8 // bytes before the schema
	stream := io.MultiReader(
		io.NewSectionReader(s.file, magic, s.head-magic),
		io.NewSectionReader(s.file, b.offset, b.size()))
	r, err := ipc.NewReader(stream, ipc.WithBodySizeLimit(0)) // we wrote it
	if err != nil {
		return fmt.Errorf("read table: %w", err)
	}
	defer r.Release()
	for r.Next() {
		if err := fn(r.RecordBatch()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read table: %w", err)
	}
	return nil
}

// remove gives the file's space back.
func (s *spool) remove() { _ = s.file.Close() } // nobody reads or writes it any more
