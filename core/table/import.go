package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// ImportError says where a table is wrong.
type ImportError struct {
	Line    int64  // from 1; 0 where lines do not apply
	Column  int64  // from 1: the cell in CSV, the byte of the line in JSON
	Field   string // the column's name, where it is known
	Message string
	Err     error // what it wraps: ErrTooWide, ErrTooLarge, or nil
}

// Unwrap returns the kind of the error, or nil.
func (e *ImportError) Unwrap() error { return e.Err }

func (e *ImportError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf("line %d, column %d", e.Line, e.Column)
		if e.Field != "" {
			at += fmt.Sprintf(" (%s)", e.Field)
		}
		at += ": "
	}
	return at + e.Message
}

// A sealed table may be this many times as large as what it was imported from, or
// this large in any case. Real files grow less than tenfold; a line of "{}" in a
// table of thousands of columns would grow ten-thousandfold.
const (
	maxGrowth  = 64
	anySize    = 1 << 30
	spoolBytes = 1 << 18 // read at a time

	anyUnpacked = 64 << 20 // bytes that any batches may unpack to, where the table is bounded
)

// Import reads a table and seals it in a temporary file in dir. It takes bounded
// memory: the input is spooled to disk, read once to find the columns and their
// types, and once more to write them.
//
// A column's type is the narrowest of int64, float64, bool, date, timestamp and
// string that every value of the whole file has:
//
//   - Integers past 64 bits make a column of floats. Numbers past those of a
//     float, and numbers in CSV with leading zeros, such as post codes, make one
//     of text.
//   - Dates are YYYY-MM-DD. Timestamps are RFC 3339, also with a blank for the T,
//     with slashes in the date, without seconds, or without a zone, which means
//     UTC. What they have below a microsecond is cut off.
//   - An empty cell in CSV is null, and so is null in JSON. NA, N/A, NaN, null,
//     NULL and None in CSV are null in any column that is otherwise not text. A
//     column without values is text.
//   - A column whose values are all JSON objects, or text that is one, becomes a
//     column for each of their fields, named parent.field; a missing field is
//     null. Arrays are kept as their JSON.
//
// progress, which may be nil, is called with the bytes taken in and the rows
// written so far; neither ever falls. What is wrong with the data is an
// *[ImportError]; any other error is about this machine, or the cause of ctx.
// After an error nothing is left in dir. Import cannot interrupt a Read of r that
// blocks: whoever cancels ctx closes r too.
func Import(ctx context.Context, r io.Reader, f Format, dir string, progress func(read, rows int64)) (Sealed, error) {
	return ImportWithin(ctx, r, f, dir, Bounds{}, progress)
}

// Bounds narrow the bounds of every import. The zero value narrows none.
type Bounds struct {
	Bytes  int64 // of the table; a larger one is an [ImportError] that wraps [ErrTooLarge]
	Memory int64 // bytes that are unpacked at a time

	// Pause is called before each read, with the number of its bytes. Where unpacking makes
	// rows larger it is called again before they are written, with the difference. It may
	// wait; an error ends the import. nil: the import never waits.
	Pause func(bytes int) error
}

func (b Bounds) pause(bytes int) error {
	if b.Pause == nil {
		return nil
	}
	return b.Pause(bytes)
}

// ErrTooLarge is what an [ImportError] wraps if a table has more bytes than its [Bounds]
// allow.
var ErrTooLarge = errors.New("the table is too large")

// ImportWithin is Import with bounds of its own.
func ImportWithin(ctx context.Context, r io.Reader, f Format, dir string, b Bounds, progress func(read, rows int64)) (Sealed, error) {
	if !slices.Contains(Formats, f) {
		return Sealed{}, fmt.Errorf("format %q: want csv, json, ndjson or arrow", f)
	}
	in := &input{progress: progress, bounds: b}
	if progress == nil {
		in.progress = func(int64, int64) {}
	}
	if err := in.spoolTo(ctx, r, dir); err != nil {
		return Sealed{}, fmt.Errorf("import: %w", err)
	}
	defer in.discard()
	if f == Arrow {
		return importArrow(ctx, in, dir)
	}
	return importRows(ctx, in, f, dir)
}

// input is what is imported: a copy on disk, which can be read twice.
type input struct {
	spool    *os.File
	bytes    int64
	bounds   Bounds
	progress func(read, rows int64)
}

// unpacked bounds the bytes that all batches together unpack to.
func (in *input) unpacked() int64 {
	if in.bounds.Bytes > 0 {
		return max(anyUnpacked, 4*in.bounds.Bytes)
	}
	return max(anySize, maxGrowth*in.bytes)
}

// memory narrows a bound of bytes in memory to the one of this import.
func (in *input) memory(most int64) int64 {
	if in.bounds.Memory > 0 {
		return min(most, in.bounds.Memory)
	}
	return most
}

func (in *input) spoolTo(ctx context.Context, r io.Reader, dir string) (err error) {
	if in.spool, err = os.CreateTemp(dir, "spool-"); err != nil {
		return err
	}
	buf := make([]byte, spoolBytes)
	for {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
		if err = in.bounds.pause(len(buf)); err != nil {
			break
		}
		n, readErr := r.Read(buf)
		if _, err = in.spool.Write(buf[:n]); err != nil {
			break
		}
		in.bytes += int64(n)
		in.progress(in.bytes, 0)
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if err = readErr; err != nil {
			break
		}
	}
	in.discard()
	return err
}

func (in *input) discard() {
	_ = in.spool.Close() // what matters was synced in the sealed file
	_ = os.Remove(in.spool.Name())
}

// wrote is called with each batch written.
func (in *input) wrote(out *sink) error {
	if out.bytes > anySize && out.bytes/maxGrowth > in.bytes {
		return &ImportError{Message: fmt.Sprintf("the table takes more than %d times the %d bytes of its file", maxGrowth, in.bytes)}
	}
	if in.bounds.Bytes > 0 && out.bytes > in.bounds.Bytes {
		return &ImportError{Message: fmt.Sprintf("the table takes more than %d bytes", in.bounds.Bytes), Err: ErrTooLarge}
	}
	in.progress(in.bytes, out.info.Rows)
	return nil
}
