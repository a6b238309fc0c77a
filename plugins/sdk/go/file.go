package sdk

import (
	"errors"
	"fmt"
	"io"

	"thresher/core/routine"
	"thresher/plugins/sdk/go/internal/host"
)

// Importer declares a routine that makes tables of the bytes of a file: see [Call.File].
// It declares each table that it writes with [Out]. What is wrong with the file it says
// with [At].
func Importer[P any](name string, doc Doc, f func(*Call, P) (any, error), opts ...Option) Routine {
	r := Analysis(name, doc, f, opts...)
	r.decl.Kind = routine.Importer
	return r
}

// At is an error about a place in a file, both from 1: what was found there, and what
// would be right. The column is the cell or the character, whatever a user counts.
func At(line, column int64, format string, args ...any) error {
	return fmt.Errorf("line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

// File returns the file that an importer reads.
func (c *Call) File() (*File, error) {
	if c.file == nil {
		return nil, errors.New("there is no file: an importer is called with one")
	}
	return &File{host: c.host, size: c.file.Bytes}, nil
}

// File is the bytes of a file. It can be read from any place, and more than once; a
// bufio.Reader makes many small reads few large ones.
type File struct {
	host host.Host
	size int64
	at   int64
}

var (
	_ io.ReadSeeker = (*File)(nil)
	_ io.ReaderAt   = (*File)(nil)
)

// Size returns how many bytes there are.
func (f *File) Size() int64 { return f.size }

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read at %d: there is nothing before the beginning", offset)
	}
	n := int(f.host.FileRead(offset, p))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return f.at, fmt.Errorf("seek to %d: there is nothing before the beginning", offset)
	}
	f.at = offset
	return offset, nil
}
