package plugintest

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"

	"thresher/plugins/abi"
	sdkhost "thresher/plugins/sdk/go/internal/host"
)

// Table is an output table.
type Table struct {
	Columns []abi.Column
	Rows    [][]any // int64, float64, bool, string or nil
}

// Column returns a column's values, or nil if there is none of that name.
func (t *Table) Column(name string) []any {
	i := slices.IndexFunc(t.Columns, func(c abi.Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	values := make([]any, len(t.Rows))
	for row := range t.Rows {
		values[row] = t.Rows[row][i]
	}
	return values
}

// TableAppend implements the host.
func (h *host) TableAppend(name, columns []byte, rows int64, parts []sdkhost.Parts) {
	var described []abi.Column
	if err := json.Unmarshal(columns, &described); err != nil {
		violate("a table's columns: %v", err)
	}
	t := h.result.Tables[string(name)]
	switch {
	case t != nil && !slices.Equal(t.Columns, described):
		violate("table %s has columns %v; the rows have %v", name, t.Columns, described)
	case t == nil && (!outputName.Match(name) || len(described) == 0):
		violate("table %q: not a name, or no columns", name)
	case t == nil:
		t = &Table{Columns: described}
		h.result.Tables[string(name)] = t
	}
	for row := range int(rows) {
		values := make([]any, len(described))
		for i, p := range parts {
			if p.Validity == nil || bit(p.Validity, row) {
				values[i] = valueOf(described[i].Type, p, row)
			}
		}
		t.Rows = append(t.Rows, values)
	}
}

// bit reads a bit of a bitmap.
func bit(bitmap []byte, i int) bool { return bitmap[i/8]>>(i%8)&1 == 1 }

// valueOf reads a value that is not null.
func valueOf(kind string, p sdkhost.Parts, row int) any {
	switch kind {
	case "int64":
		return int64(binary.LittleEndian.Uint64(p.Values[8*row:]))
	case "float64":
		return math.Float64frombits(binary.LittleEndian.Uint64(p.Values[8*row:]))
	case "bool":
		return bit(p.Values, row)
	}
	from, to := binary.LittleEndian.Uint32(p.Offsets[4*row:]), binary.LittleEndian.Uint32(p.Offsets[4*row+4:])
	return string(p.Values[from:to])
}
