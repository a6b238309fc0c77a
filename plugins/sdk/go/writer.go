package sdk

import (
	"encoding/json"
	"fmt"

	"thresher/plugins/abi"
)

// Writer is an output table. Rows are handed to the host in batches; call Flush to
// let readers see them sooner.
type Writer struct {
	name    string
	schema  []byte // []abi.Column, JSON
	columns []*columnBuffer
	rows    int
}

// Col declares a column of an output table: see the functions below.
type Col abi.Column

// The columns of output tables.
func Int64Col(name string) Col   { return Col{name, "int64"} }
func Float64Col(name string) Col { return Col{name, "float64"} }
func BoolCol(name string) Col    { return Col{name, "bool"} }
func StringCol(name string) Col  { return Col{name, "string"} }

// flushRows is how many rows are collected before the host is called.
const flushRows = 1024

// columnBuffer is a column of the rows not yet handed over, in Arrow's layout.
type columnBuffer struct {
	kind     string
	validity []byte
	nulls    bool
	ints     []int64
	floats   []float64
	bits     []byte
	offsets  []int32
	text     []byte
}

// Output makes an output table.
func (c *Call) Output(name string, columns ...Col) *Writer {
	described := make([]abi.Column, len(columns))
	w := &Writer{name: name}
	for i, col := range columns {
		described[i] = abi.Column(col)
		w.columns = append(w.columns, &columnBuffer{kind: col.Type, offsets: []int32{0}})
	}
	schema, err := json.Marshal(described)
	if err != nil {
		panic("sdk: " + err.Error()) // plain strings: it always encodes
	}
	w.schema = schema
	c.outputs = append(c.outputs, w)
	return w
}

// Append adds a row: an int, int64, float64, bool, string or nil (null) for each
// column.
func (w *Writer) Append(values ...any) error {
	if len(values) != len(w.columns) {
		return fmt.Errorf("table %s: %d values for %d columns", w.name, len(values), len(w.columns))
	}
	for i, v := range values {
		if err := w.columns[i].append(w.rows, v); err != nil {
			return fmt.Errorf("table %s, column %d: %w", w.name, i, err)
		}
	}
	w.rows++
	if w.rows == flushRows {
		w.Flush()
	}
	return nil
}

func (b *columnBuffer) append(row int, v any) error {
	if row%8 == 0 {
		b.validity = append(b.validity, 0)
		b.bits = append(b.bits, 0)
	}
	if v == nil {
		b.nulls = true
		v = map[string]any{"int64": int64(0), "float64": 0.0, "bool": false, "string": ""}[b.kind]
	} else {
		b.validity[row/8] |= 1 << (row % 8)
	}
	if i, ok := v.(int); ok {
		v = int64(i)
	}
	if i, ok := v.(int64); ok && b.kind == "float64" {
		v = float64(i)
	}
	switch v := v.(type) {
	case int64:
		b.ints = append(b.ints, v)
	case float64:
		b.floats = append(b.floats, v)
	case bool:
		if v {
			b.bits[row/8] |= 1 << (row % 8)
		}
	case string:
		b.text = append(b.text, v...)
		b.offsets = append(b.offsets, int32(len(b.text)))
	default:
		return fmt.Errorf("cannot keep a %T", v)
	}
	if kind := kindOf(v); kind != b.kind {
		return fmt.Errorf("%v is %s, want %s", v, kind, b.kind)
	}
	return nil
}

func kindOf(v any) string {
	switch v.(type) {
	case int64:
		return "int64"
	case float64:
		return "float64"
	case bool:
		return "bool"
	}
	return "string"
}

// Flush hands over the rows collected so far.
func (w *Writer) Flush() {
	if w.rows == 0 {
		return
	}
	tableAppend([]byte(w.name), w.schema, int64(w.rows), w.columns)
	for i, b := range w.columns {
		w.columns[i] = &columnBuffer{kind: b.kind, offsets: []int32{0}}
	}
	w.rows = 0
}
