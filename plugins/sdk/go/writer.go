package sdk

import (
	"encoding/json"
	"fmt"

	"thresher/plugins/abi"
	"thresher/plugins/sdk/go/internal/host"
)

// Writer is an output table. Rows are handed to the host in batches; call Flush to
// let readers see them sooner.
type Writer struct {
	host    host.Host
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

// flushRows and flushText are how many rows, and bytes of text, are collected before the
// host is called.
const (
	flushRows = 1024
	flushText = 1 << 20
)

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
	w := &Writer{host: c.host, name: name}
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
// column. A row that does not fit adds nothing.
func (w *Writer) Append(values ...any) error {
	if len(values) != len(w.columns) {
		return fmt.Errorf("table %s: %d values for %d columns", w.name, len(values), len(w.columns))
	}
	for i, v := range values {
		if err := fits(v, w.columns[i].kind); err != nil {
			return fmt.Errorf("table %s, column %d: %w", w.name, i, err)
		}
	}
	text := 0
	for i, v := range values {
		w.columns[i].append(w.rows, v)
		text += len(w.columns[i].text)
	}
	w.rows++
	if w.rows == flushRows || text >= flushText {
		w.Flush()
	}
	return nil
}

// fits reports why a value cannot be in a column.
func fits(v any, kind string) error {
	var is string
	switch v.(type) {
	case nil:
		return nil
	case int, int64:
		if is = "int64"; kind == "float64" {
			return nil
		}
	case float64:
		is = "float64"
	case bool:
		is = "bool"
	case string:
		is = "string"
	default:
		return fmt.Errorf("cannot keep a %T", v)
	}
	if is != kind {
		return fmt.Errorf("%v is %s, want %s", v, is, kind)
	}
	return nil
}

// append adds a value that fits. A null leaves what it would be 0.
func (b *columnBuffer) append(row int, v any) {
	if row%8 == 0 {
		b.validity = append(b.validity, 0)
		b.bits = append(b.bits, 0)
	}
	if v == nil {
		b.nulls = true
	} else {
		b.validity[row/8] |= 1 << (row % 8)
	}
	if i, ok := v.(int); ok {
		v = int64(i)
	}
	switch b.kind {
	case "int64":
		n, _ := v.(int64)
		b.ints = append(b.ints, n)
	case "float64":
		f, _ := v.(float64)
		if i, ok := v.(int64); ok {
			f = float64(i)
		}
		b.floats = append(b.floats, f)
	case "bool":
		if set, _ := v.(bool); set {
			b.bits[row/8] |= 1 << (row % 8)
		}
	case "string":
		text, _ := v.(string)
		b.text = append(b.text, text...)
		b.offsets = append(b.offsets, int32(len(b.text)))
	}
}

// Flush hands over the rows collected so far.
func (w *Writer) Flush() {
	if w.rows == 0 {
		return
	}
	parts := make([]host.Parts, len(w.columns))
	for i, b := range w.columns {
		parts[i] = b.parts()
	}
	w.host.TableAppend([]byte(w.name), w.schema, int64(w.rows), parts)
	for i, b := range w.columns {
		w.columns[i] = &columnBuffer{kind: b.kind, offsets: []int32{0}}
	}
	w.rows = 0
}

func (b *columnBuffer) parts() (p host.Parts) {
	if b.nulls {
		p.Validity = b.validity
	}
	switch b.kind {
	case "int64":
		p.Values = bytesOf(b.ints)
	case "float64":
		p.Values = bytesOf(b.floats)
	case "bool":
		p.Values = b.bits
	default:
		p.Values, p.Offsets = b.text, bytesOf(b.offsets)
	}
	return p
}
