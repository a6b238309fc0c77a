package sdk

import (
	"fmt"
	"unsafe"

	"thresher/plugins/abi"
	"thresher/plugins/sdk/go/internal/host"
	"thresher/plugins/sdk/go/vector"
)

// Table is an input table. Columns are read whole, into the plugin's memory; Vector
// leaves them where they are.
type Table struct {
	host   host.Host
	number int32
	input  abi.Input
}

// Column describes a column.
type Column = abi.Column

// Rows returns the number of rows.
func (t *Table) Rows() int { return int(t.input.Rows) }

// Columns returns the columns in order.
func (t *Table) Columns() []Column { return t.input.Columns }

// Has reports whether there is a column of that name.
func (t *Table) Has(name string) bool {
	_, _, err := t.column(name)
	return err == nil
}

// HasNulls reports whether a row of a column is null.
func (t *Table) HasNulls(name string) bool {
	i, _, err := t.column(name)
	return err == nil && t.hasNulls(i)
}

func (t *Table) hasNulls(column int32) bool {
	for n := range t.input.Batches {
		if t.batch(int32(n)).layout[column][abi.Validity].Bytes > 0 {
			return true
		}
	}
	return false
}

func (t *Table) column(name string) (int32, Column, error) {
	for i, c := range t.input.Columns {
		if c.Name == name {
			return int32(i), c, nil
		}
	}
	return 0, Column{}, fmt.Errorf("the table %s has no column %q", t.input.Name, name)
}

// Float64 returns a column of numbers or booleans as floats, and which rows are
// not null. The value of a null row is 0.
func (t *Table) Float64(name string) (values []float64, valid []bool, err error) {
	i, c, err := t.column(name)
	if err != nil {
		return nil, nil, err
	}
	switch c.Type {
	case "float64":
		return readFixed[float64](t, i), t.valid(i), nil
	case "int64":
		values = make([]float64, t.Rows())
		vector.Floats(columnVector[int64](t, i), 0, values)
		return values, t.valid(i), nil
	case "bool":
		values = make([]float64, t.Rows())
		for row, set := range t.bits(i, abi.Values) {
			if set {
				values[row] = 1
			}
		}
		return values, t.valid(i), nil
	}
	return nil, nil, fmt.Errorf("column %q is %s, want a number", name, c.Type)
}

// Vector returns a column of numbers for the functions of package vector, which
// read it where it is: it is not copied into the plugin's memory. Timestamps are
// integers, in microseconds since 1970.
func (t *Table) Vector(name string) (vector.Numbers, error) {
	i, c, err := t.column(name)
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case "float64":
		return columnVector[float64](t, i), nil
	case "int64", "timestamp":
		return columnVector[int64](t, i), nil
	}
	return nil, fmt.Errorf("column %q is %s, want a number", name, c.Type)
}

// Texts returns a column of text for the functions of package vector, which read it
// where it is.
func (t *Table) Texts(name string) (vector.Texts, error) {
	i, c, err := t.column(name)
	if err != nil {
		return vector.Texts{}, err
	}
	if c.Type != "string" {
		return vector.Texts{}, fmt.Errorf("column %q is %s, want text", name, c.Type)
	}
	return columnTexts(t, i), nil
}

// Int64 returns a column of integers, or of timestamps in microseconds since 1970,
// or of dates in days since 1970, and which rows are not null.
func (t *Table) Int64(name string) (values []int64, valid []bool, err error) {
	i, c, err := t.column(name)
	if err != nil {
		return nil, nil, err
	}
	switch c.Type {
	case "int64", "timestamp":
		return readFixed[int64](t, i), t.valid(i), nil
	case "date":
		days := readFixed[int32](t, i)
		values = make([]int64, len(days))
		for row, d := range days {
			values[row] = int64(d)
		}
		return values, t.valid(i), nil
	}
	return nil, nil, fmt.Errorf("column %q is %s, want integers", name, c.Type)
}

// Bools returns a column of booleans, and which rows are not null.
func (t *Table) Bools(name string) (values, valid []bool, err error) {
	i, c, err := t.column(name)
	if err != nil {
		return nil, nil, err
	}
	if c.Type != "bool" {
		return nil, nil, fmt.Errorf("column %q is %s, want booleans", name, c.Type)
	}
	return t.bits(i, abi.Values), t.valid(i), nil
}

// Strings returns a column of text, and which rows are not null.
func (t *Table) Strings(name string) (values []string, valid []bool, err error) {
	i, c, err := t.column(name)
	if err != nil {
		return nil, nil, err
	}
	if c.Type != "string" {
		return nil, nil, fmt.Errorf("column %q is %s, want text", name, c.Type)
	}
	offsets := make([]int32, t.Rows()+1)
	t.host.ColumnRead(t.number, i, 0, t.input.Rows, abi.Offsets, bytesOf(offsets))
	text := make([]byte, offsets[t.Rows()])
	t.host.ColumnRead(t.number, i, 0, t.input.Rows, abi.Values, text)
	all := string(text) // one copy, shared by all values
	values = make([]string, t.Rows())
	for row := range values {
		values[row] = all[offsets[row]:offsets[row+1]]
	}
	return values, t.valid(i), nil
}

// valid reads which rows are not null.
func (t *Table) valid(column int32) []bool {
	if t.hasNulls(column) {
		return t.bits(column, abi.Validity)
	}
	valid := make([]bool, t.Rows())
	for i := range valid {
		valid[i] = true
	}
	return valid
}

func (t *Table) bits(column int32, part int32) []bool {
	packed := make([]byte, (t.Rows()+7)/8)
	t.host.ColumnRead(t.number, column, 0, t.input.Rows, part, packed)
	bits := make([]bool, len(packed)*8)
	for i, b := range packed {
		eight := (*[8]bool)(bits[8*i:])
		for j := range eight {
			eight[j] = b>>j&1 == 1
		}
	}
	return bits[:t.Rows()]
}

// readFixed reads a column of fixed width in its own layout.
func readFixed[T int32 | int64 | float64](t *Table, column int32) []T {
	values := make([]T, t.Rows())
	t.host.ColumnRead(t.number, column, 0, t.input.Rows, abi.Values, bytesOf(values))
	return values
}

// bytesOf is a view of a slice's memory. WebAssembly is little endian, as the
// layout is.
func bytesOf[T int32 | int64 | float64](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(values[0])))
}
