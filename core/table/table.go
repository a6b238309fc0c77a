// Package table keeps data in columns: sealed Arrow files that never change, and
// tables that grow while a job writes them.
//
// [Import] turns a stream of CSV, JSON, NDJSON or Arrow into a sealed file: an
// uncompressed Arrow IPC file, which a sandbox can map and pandas, polars or DuckDB
// open as it is. [Open] maps a sealed file. [Writer] makes one, and can be read
// meanwhile. All three deal in the six types that [Type] lists; what Arrow has
// beside them is converted at import, or refused by name.
//
// The package takes untrusted input: it reads in bounded memory, says line and
// column of what is wrong, and leaves nothing behind when it fails. It knows
// nothing of datasets or jobs.
package table

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/jsonsize"
)

// Info describes a table.
type Info struct {
	Rows    int64    `json:"rows"`
	Columns []Column `json:"columns"`
}

// Column describes a column.
type Column struct {
	Name  string `json:"name"`
	Type  string `json:"type" enum:"int64,float64,bool,string,date,timestamp"` // see TypeName
	Nulls int64  `json:"nulls"`
}

// Sealed is a finished file that nobody names yet: it is on disk, and the caller's
// to move or remove.
type Sealed struct {
	Path   string
	Digest string // SHA-256, hex
	Bytes  int64
	Info
}

// Ranger is a table that can be read by rows.
type Ranger interface {
	Schema() *arrow.Schema
	Rows() int64
	// Range calls fn with batches that together are the rows from ≤ i < to, in
	// order. A batch is valid only during the call. Bounds beyond the table are
	// cut to it.
	Range(from, to int64, fn func(arrow.RecordBatch) error) error
}

// The types of columns. Timestamps are microseconds since 1970 in UTC, dates are
// days since then.
var (
	Int64     = arrow.PrimitiveTypes.Int64
	Float64   = arrow.PrimitiveTypes.Float64
	Bool      = arrow.FixedWidthTypes.Boolean
	String    = arrow.BinaryTypes.String
	Date      = arrow.FixedWidthTypes.Date32
	Timestamp = arrow.FixedWidthTypes.Timestamp_us
)

// TypeName returns the name of a column's type: int64, float64, bool, string, date
// or timestamp. For a type that tables do not have it returns Arrow's name.
func TypeName(t arrow.DataType) string {
	switch t.ID() {
	case arrow.BOOL:
		return "bool"
	case arrow.STRING:
		return "string"
	case arrow.DATE32:
		return "date"
	case arrow.TIMESTAMP:
		return "timestamp"
	}
	return t.String()
}

// typeNamed is the type whose name it is: see [TypeName].
func typeNamed(name string) arrow.DataType {
	for _, t := range []arrow.DataType{Int64, Float64, Bool, Date, Timestamp} {
		if TypeName(t) == name {
			return t
		}
	}
	return String
}

// normal reports whether tables have columns of this very type.
func normal(t arrow.DataType) bool {
	for _, known := range []arrow.DataType{Int64, Float64, Bool, String, Date, Timestamp} {
		if arrow.TypeEqual(t, known) {
			return true
		}
	}
	return false
}

// Bounds of a table.
const (
	MaxColumns    = 4096
	maxNameLength = 1024 // bytes of a column's name

	// MaxNames is what the names of all columns take together, in bytes of JSON: the
	// record of a dataset lists them. 4096 columns fit whose names have 126 plain
	// characters.
	MaxNames = 512 << 10
)

// ErrTooWide is what an [ImportError] wraps where the columns of a table, of which none
// is wrong alone, are too much for the record of a dataset.
var ErrTooWide = errors.New("the columns are too many, or their names too long")

// CheckNames returns an error that wraps ErrTooWide if the names of a table's columns
// are too long together. It is asked before a table is made, never of one that is sealed.
func CheckNames(s *arrow.Schema) error {
	total := 0
	for _, f := range s.Fields() {
		total += jsonsize.String(f.Name)
	}
	if total <= MaxNames {
		return nil
	}
	return fmt.Errorf("%w: the names of %d columns take %d bytes as JSON, the limit is %d; shorten them to %d bytes on average, or use fewer columns",
		ErrTooWide, s.NumFields(), total, MaxNames, MaxNames/s.NumFields()-2)
}

// CheckSchema returns an error for a schema that a table cannot have.
func CheckSchema(s *arrow.Schema) error {
	if s.NumFields() == 0 {
		return fmt.Errorf("a table needs a column")
	}
	if s.NumFields() > MaxColumns {
		return fmt.Errorf("%d columns: the limit is %d", s.NumFields(), MaxColumns)
	}
	seen := make(map[string]bool, s.NumFields())
	for _, f := range s.Fields() {
		switch {
		case f.Name == "" || len(f.Name) > maxNameLength:
			return fmt.Errorf("column name %.40q: want 1 to %d bytes", f.Name, maxNameLength)
		case seen[f.Name]:
			return fmt.Errorf("two columns are named %q", f.Name)
		case !normal(f.Type):
			return fmt.Errorf("column %q has type %s: want int64, float64, bool, string, date or timestamp", f.Name, f.Type)
		}
		seen[f.Name] = true
	}
	return nil
}

// checkImported is what a file's columns must pass before a table is made of them.
func checkImported(s *arrow.Schema) error {
	if err := CheckSchema(s); err != nil {
		return &ImportError{Message: err.Error()}
	}
	if err := CheckNames(s); err != nil {
		return &ImportError{Message: err.Error(), Err: ErrTooWide}
	}
	return nil
}

// clip cuts a range of rows to those there are.
func clip(from, to, rows int64) (int64, int64) {
	from = min(max(from, 0), rows)
	return from, min(max(to, from), rows)
}
