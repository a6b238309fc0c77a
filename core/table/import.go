package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Format is how a table is written outside.
type Format string

// The formats.
const (
	CSV    Format = "csv"    // header line, comma, RFC 4180 quotes
	JSON   Format = "json"   // an array of objects
	NDJSON Format = "ndjson" // an object a line
	Arrow  Format = "arrow"  // IPC, file or stream
)

// Formats lists them.
var Formats = []Format{CSV, JSON, NDJSON, Arrow}

// FormatOf tells the format from a media type, or from the end of a file's name.
func FormatOf(name, mediaType string) (Format, error) {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	switch strings.TrimSpace(strings.ToLower(mediaType)) {
	case "text/csv":
		return CSV, nil
	case "application/json":
		return JSON, nil
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		return NDJSON, nil
	case "application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream":
		return Arrow, nil
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return CSV, nil
	case ".json":
		return JSON, nil
	case ".ndjson", ".jsonl":
		return NDJSON, nil
	case ".arrow", ".feather", ".ipc":
		return Arrow, nil
	}
	return "", fmt.Errorf("format of %q (%s) is not known: want csv, json, ndjson or arrow", name, mediaType)
}

// ImportError says where a table is wrong.
type ImportError struct {
	Line    int64 // from 1; 0 where lines do not apply
	Column  int64 // from 1: the cell in CSV, the character in JSON
	Field   string
	Message string
}

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

// Rows are built in batches of this many, or of this many bytes of input.
const (
	batchRows   = 1 << 16
	importBytes = 64 << 20
)

// Import reads a table and seals it in a temporary file in dir. It takes bounded
// memory: the input is spooled to disk, read once to find the columns and their
// types, and once more to write them. A column's type is the narrowest of int64,
// float64, bool, date, timestamp and string that every value of the whole file
// has; integers past 64 bits make a column of floats, and numbers with leading
// zeros one of text. A column of JSON objects becomes a column for each of their
// fields, named parent.field.
//
// progress, which may be nil, is called with the bytes taken in and the rows
// written so far. What is wrong with the data is an *[ImportError]. After an error
// nothing is left in dir.
func Import(ctx context.Context, r io.Reader, f Format, dir string, progress func(read, rows int64)) (Sealed, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	spool, err := spoolTo(ctx, r, dir, progress)
	if err != nil {
		return Sealed{}, err
	}
	defer func() {
		_ = spool.Close() // read only from here
		_ = os.Remove(spool.Name())
	}()
	switch f {
	case CSV, JSON, NDJSON:
		return importRows(ctx, spool, f, dir, progress)
	case Arrow:
		return importArrow(ctx, spool, dir, progress)
	}
	return Sealed{}, fmt.Errorf("format %q: want csv, json, ndjson or arrow", f)
}

// spoolTo copies the input to disk, where it can be read twice.
func spoolTo(ctx context.Context, r io.Reader, dir string, progress func(read, rows int64)) (*os.File, error) {
	spool, err := os.CreateTemp(dir, "spool-")
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	var total int64
	_, err = io.Copy(spool, readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		n, err := r.Read(p)
		total += int64(n)
		progress(total, 0)
		return n, err
	}))
	if err != nil {
		err = fmt.Errorf("import: %w", err)
		return nil, errors.Join(err, spool.Close(), os.Remove(spool.Name()))
	}
	return spool, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// rows yields objects until io.EOF.
type rows interface {
	next() (value, error)
}

func rowsOf(ctx context.Context, spool *os.File, f Format, progress func(int64)) (rows, error) {
	in, err := newGuarded(ctx, spool, progress)
	if err != nil {
		return nil, err
	}
	if f == CSV {
		return newCSVRows(in), nil
	}
	return newJSONRows(in), nil
}

func importRows(ctx context.Context, spool *os.File, f Format, dir string, progress func(read, rows int64)) (Sealed, error) {
	root, err := survey(ctx, spool, f)
	if err != nil {
		return Sealed{}, err
	}
	leaves := root.plan()
	fields := make([]arrow.Field, len(leaves))
	for i, leaf := range leaves {
		fields[i] = arrow.Field{Name: leaf.name, Type: leaf.dataType(), Nullable: true}
	}
	out, err := newSink(dir, arrow.NewSchema(fields, nil))
	if err != nil {
		return Sealed{}, &ImportError{Message: err.Error()}
	}
	if err := fill(ctx, spool, f, root, leaves, out, progress); err != nil {
		return Sealed{}, errors.Join(err, out.abort())
	}
	sealed, err := out.seal()
	if err != nil {
		return Sealed{}, errors.Join(err, out.abort())
	}
	return sealed, nil
}

// survey is the first pass: it finds the columns.
func survey(ctx context.Context, spool *os.File, f Format) (*node, error) {
	in, err := rowsOf(ctx, spool, f, func(int64) {})
	if err != nil {
		return nil, err
	}
	root := &node{}
	for {
		row, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		root.observe(row)
		if len(root.children) > MaxColumns {
			return nil, &ImportError{Message: fmt.Sprintf("more than %d columns", MaxColumns)}
		}
	}
	if c, ok := in.(*csvRows); ok { // a header without rows has columns too
		for _, name := range c.header {
			root.child(name)
		}
	}
	return root, nil
}

// fill is the second pass: it writes the rows.
func fill(ctx context.Context, spool *os.File, f Format, root *node, leaves []*node, out *sink, progress func(read, rows int64)) error {
	var read, batchStart int64
	in, err := rowsOf(ctx, spool, f, func(n int64) { read = n })
	if err != nil {
		return err
	}
	b := newBatch(leaves, out)
	for {
		row, err := in.next()
		if errors.Is(err, io.EOF) {
			return b.flush()
		}
		if err != nil {
			return err
		}
		if err := root.append(row, b.rows); err != nil {
			return err
		}
		b.rows++
		if b.rows == batchRows || read-batchStart > importBytes {
			if err := b.flush(); err != nil {
				return err
			}
			batchStart = read
			progress(read, out.info.Rows)
		}
	}
}

// batch collects rows in the builders of the leaves.
type batch struct {
	leaves []*node
	out    *sink
	schema *arrow.Schema
	rows   int64
}

func newBatch(leaves []*node, out *sink) *batch {
	fields := make([]arrow.Field, len(leaves))
	for i, leaf := range leaves {
		t := leaf.dataType()
		leaf.builder = array.NewBuilder(memory.DefaultAllocator, t)
		fields[i] = arrow.Field{Name: leaf.name, Type: t, Nullable: true}
	}
	return &batch{leaves: leaves, out: out, schema: arrow.NewSchema(fields, nil)}
}

func (b *batch) flush() error {
	columns := make([]arrow.Array, len(b.leaves))
	for i, leaf := range b.leaves {
		leaf.fill(b.rows)
		columns[i] = leaf.builder.NewArray()
		leaf.rows = 0
	}
	record := array.NewRecordBatch(b.schema, columns, b.rows)
	b.rows = 0
	return b.out.append(record)
}
