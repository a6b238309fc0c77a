package table

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// sink writes a sealed file: it counts, hashes and syncs what it writes.
type sink struct {
	file   *os.File
	sum    hash.Hash
	bytes  int64
	writer *ipc.FileWriter
	info   Info
}

func newSink(dir string, schema *arrow.Schema) (*sink, error) {
	if err := CheckSchema(schema); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, "table-")
	if err != nil {
		return nil, fmt.Errorf("create table: %w", err)
	}
	s := &sink{file: file, sum: sha256.New()}
	for _, f := range schema.Fields() {
		s.info.Columns = append(s.info.Columns, Column{Name: f.Name, Type: TypeName(f.Type)})
	}
	s.writer, err = ipc.NewFileWriter(s, ipc.WithSchema(schema))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create table: %w", err), s.abort())
	}
	return s, nil
}

// Write implements io.Writer for the Arrow writer.
func (s *sink) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.sum.Write(p[:n])
	s.bytes += int64(n)
	return n, err
}

func (s *sink) append(batch arrow.RecordBatch) error {
	if err := s.writer.Write(batch); err != nil {
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
	if err := s.writer.Close(); err != nil {
		return Sealed{}, fmt.Errorf("seal table: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return Sealed{}, fmt.Errorf("seal table: %w", err)
	}
	if err := s.file.Close(); err != nil {
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
