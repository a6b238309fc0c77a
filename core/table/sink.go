package table

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
)

// maxBatchBytes is what a batch in a file takes at most, unless one row takes
// more: a larger one is written in parts, so that readers can go part by part.
const maxBatchBytes = 64 << 20

// sink writes a sealed file: it counts, hashes and syncs what it writes.
type sink struct {
	file  *os.File
	sum   hash.Hash
	ipc   *ipcFile
	out   *bufio.Writer // empty between appends: readers of the file see all of it
	bytes int64         // in the file
	info  Info
}

// newSink creates a file in dir. The schema is one that CheckSchema lets through.
func newSink(dir string, schema *arrow.Schema) (*sink, error) {
	file, err := os.CreateTemp(dir, "table-")
	if err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	s := &sink{file: file, sum: sha256.New()}
	s.info.Columns = columnsOf(schema)
	s.out = bufio.NewWriterSize(io.MultiWriter(file, s.sum), 1<<18)
	s.ipc, err = newIPCFile(s.out, schema)
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create table: %w", err), s.abort())
	}
	return s, nil
}

func columnsOf(schema *arrow.Schema) []Column {
	list := make([]Column, schema.NumFields())
	for i, f := range schema.Fields() {
		list[i] = Column{Name: f.Name, Type: TypeName(f.Type)}
	}
	return list
}

func (s *sink) flush() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.bytes = s.ipc.offset
	return nil
}

// append writes a batch, in parts if it is large.
func (s *sink) append(batch arrow.RecordBatch) error {
	rows := batch.NumRows()
	if size := batchBytes(batch); size <= maxBatchBytes || rows <= 1 {
		return s.appendPart(batch)
	}
	for _, half := range [][2]int64{{0, rows / 2}, {rows / 2, rows}} {
		part := batch.NewSlice(half[0], half[1])
		err := s.append(part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) appendPart(batch arrow.RecordBatch) error {
	err := s.ipc.append(batch)
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	s.info.Rows += batch.NumRows()
	for i, col := range batch.Columns() {
		s.info.Columns[i].Nulls += int64(col.NullN())
	}
	return nil
}

// seal ends the file and makes it durable. Where it fails the caller aborts.
func (s *sink) seal() (Sealed, error) {
	err := s.ipc.close()
	if err == nil {
		err = s.flush()
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		err = s.file.Close()
	}
	if err != nil {
		return Sealed{}, fmt.Errorf("seal table: %w", err)
	}
	return Sealed{
		Path:   s.file.Name(),
		Digest: hex.EncodeToString(s.sum.Sum(nil)),
		Bytes:  s.bytes,
		Info:   s.info,
	}, nil
}

// abort removes the file.
func (s *sink) abort() error {
	_ = s.file.Close() // it may be closed already
	if err := os.Remove(s.file.Name()); err != nil {
		return fmt.Errorf("remove unfinished table: %w", err)
	}
	return nil
}
