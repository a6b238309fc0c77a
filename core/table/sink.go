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

// A batch in a file has this many rows at most, and takes this many bytes, unless one row
// takes more: so readers go part by part, and what a table costs follows from its rows and
// bytes, however they came.
const (
	batchRows     = 1 << 16
	maxBatchBytes = 64 << 20
)

// sink writes a sealed file: it joins rows to batches, counts, hashes and syncs what it
// writes. The file follows from the rows alone: each batch but the last is as large as
// it may be.
type sink struct {
	file    *os.File
	sum     hash.Hash
	ipc     *ipcFile
	out     *bufio.Writer
	pending *pending
	bytes   int64 // in the file, and pending
	info    Info
}

// newSink creates a file in dir. The schema is one that CheckSchema lets through.
func newSink(dir string, schema *arrow.Schema) (*sink, error) {
	file, err := os.CreateTemp(dir, "table-")
	if err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	s := &sink{file: file, sum: sha256.New(), pending: newPending(schema)}
	s.info.Columns = columnsOf(schema)
	s.out = bufio.NewWriterSize(io.MultiWriter(file, s.sum), 1<<18)
	if s.ipc, err = newIPCFile(s.out, schema); err != nil {
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

// append adds rows.
func (s *sink) append(batch arrow.RecordBatch) error {
	for from := int64(0); from < batch.NumRows(); {
		n := s.pending.fits(batch, from)
		if n > 0 {
			part := batch.NewSlice(from, from+n)
			s.pending.add(part)
			part.Release()
			from += n
		}
		if n == 0 || s.pending.rows == batchRows {
			if err := s.write(); err != nil {
				return err
			}
		}
	}
	s.info.Rows += batch.NumRows()
	s.bytes = s.ipc.offset + s.pending.bytes()
	return nil
}

// write writes what is pending as one batch.
func (s *sink) write() error {
	if err := s.ipc.append(s.pending.body()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for i := range s.pending.columns {
		s.info.Columns[i].Nulls += s.pending.columns[i].nulls
	}
	s.pending.clear()
	return nil
}

// seal ends the file and makes it durable. Where it fails the caller aborts.
func (s *sink) seal() (Sealed, error) {
	var err error
	if s.pending.rows > 0 {
		err = s.write()
	}
	if err == nil {
		err = s.ipc.close()
	}
	if err == nil {
		err = s.out.Flush()
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
		Bytes:  s.ipc.offset,
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
