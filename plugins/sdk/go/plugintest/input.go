package plugintest

import (
	"encoding/binary"
	"math"

	"thresher/core/table/cell"
	"thresher/plugins/abi"
)

// input is a table that a routine reads.
type input struct {
	columns []*column
	rows    int64
	file    []byte   // the columns in Arrow's layout, batch by batch
	batches [][]byte // where each is in the file, as input_layout writes it
}

// column is one of its columns: a value a row, as text.
type column struct {
	name, kind string
	cells      []value
	seen       cell.Column
}

// value is a cell as text, or null.
type value struct {
	text string
	kind cell.Kind
	null bool
}

// add adds a value in a row, with nulls for the rows before that have none.
func (c *column) add(row int, v value) {
	c.fill(row)
	c.cells = append(c.cells, v)
	if !v.null {
		c.seen.Observe(v.kind, v.text)
	}
}

func (c *column) fill(rows int) {
	for len(c.cells) < rows {
		c.cells = append(c.cells, value{null: true})
	}
}

// batchRows is how many rows a batch of a server's tables has at most.
const batchRows = 1 << 16

// seal gives the columns their types, and lays them out.
func (in *input) seal() {
	for _, c := range in.columns {
		c.fill(int(in.rows))
		c.kind = c.seen.Type()
		for i := range c.cells {
			v := &c.cells[i]
			v.null = v.null || c.kind != "string" && v.kind == cell.Untyped && cell.Null(v.text)
		}
	}
	for from := 0; from < int(in.rows); from += batchRows {
		in.lay(from, min(from+batchRows, int(in.rows)))
	}
}

// lay adds a batch to the file.
func (in *input) lay(from, to int) {
	layout := binary.LittleEndian.AppendUint64(nil, uint64(to-from))
	for _, c := range in.columns {
		for _, part := range []int32{abi.Validity, abi.Values, abi.Offsets} {
			data := c.part(part, from, to)
			for len(in.file)%64 != 0 {
				in.file = append(in.file, 0)
			}
			layout = binary.LittleEndian.AppendUint64(layout, uint64(len(in.file)))
			layout = binary.LittleEndian.AppendUint64(layout, uint64(len(data)))
			in.file = append(in.file, data...)
		}
	}
	in.batches = append(in.batches, layout)
}

// part is a part of some rows of the column, in Arrow's layout.
func (c *column) part(part int32, from, to int) []byte {
	cells := c.cells[from:to]
	switch {
	case part == abi.Validity:
		return bits(cells, func(v value) bool { return !v.null })
	case part == abi.Offsets:
		return c.offsets(cells)
	case c.kind == "bool":
		return bits(cells, func(v value) bool { yes, _ := cell.Bool(v.text); return yes && !v.null })
	}
	var out []byte
	for _, v := range cells {
		if v.null {
			v.text = ""
		}
		out = c.appendValue(out, v.text)
	}
	return out
}

// appendValue appends a value as Arrow has it; of what is null, zeros.
func (c *column) appendValue(out []byte, text string) []byte {
	switch c.kind {
	case "int64":
		n, _ := cell.Int(text)
		return binary.LittleEndian.AppendUint64(out, uint64(n))
	case "float64":
		f, _ := cell.Float(text)
		return binary.LittleEndian.AppendUint64(out, math.Float64bits(f))
	case "date":
		days, _ := cell.Date(text)
		return binary.LittleEndian.AppendUint32(out, uint32(days))
	case "timestamp":
		micros, _ := cell.Time(text)
		return binary.LittleEndian.AppendUint64(out, uint64(micros))
	}
	return append(out, text...)
}

// offsets say where each text begins, and where the last one ends.
func (c *column) offsets(cells []value) []byte {
	if c.kind != "string" {
		return nil
	}
	out, at := make([]byte, 4), uint32(0)
	for _, v := range cells {
		if !v.null {
			at += uint32(len(v.text))
		}
		out = binary.LittleEndian.AppendUint32(out, at)
	}
	return out
}

// bits is a bitmap of what holds of each value.
func bits(cells []value, holds func(value) bool) []byte {
	out := make([]byte, (len(cells)+7)/8)
	for i, v := range cells {
		if holds(v) {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}
