package table

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// WriteJSON writes rows as an array of objects. Integers are exact, dates and
// timestamps are ISO 8601, and the floats that JSON has no number for are the texts
// "NaN", "Infinity" and "-Infinity", as in the JSON of Protocol Buffers: null is for
// what is missing.
func WriteJSON(w io.Writer, t Ranger, from, to int64) error {
	out := bufio.NewWriter(w) // its first error comes back from Flush
	names, err := quoted(t.Schema())
	if err != nil {
		return err
	}
	_ = out.WriteByte('[')
	first := true
	err = t.Range(from, to, func(batch arrow.RecordBatch) error {
		for row := range int(batch.NumRows()) {
			if !first {
				_ = out.WriteByte(',')
			}
			first = false
			if err := writeObject(out, batch, names, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_ = out.WriteByte(']')
	return out.Flush()
}

// WriteNDJSON writes rows as an object a line, with values as WriteJSON has them.
func WriteNDJSON(w io.Writer, t Ranger, from, to int64) error {
	out := bufio.NewWriter(w) // its first error comes back from Flush
	names, err := quoted(t.Schema())
	if err != nil {
		return err
	}
	err = t.Range(from, to, func(batch arrow.RecordBatch) error {
		for row := range int(batch.NumRows()) {
			if err := writeObject(out, batch, names, row); err != nil {
				return err
			}
			if err := out.WriteByte('\n'); err != nil {
				return err // nobody reads on
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

func quoted(s *arrow.Schema) ([]string, error) {
	names := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		names[i] = string(name)
	}
	return names, nil
}

func writeObject(out *bufio.Writer, batch arrow.RecordBatch, names []string, row int) error {
	_ = out.WriteByte('{')
	for i, col := range batch.Columns() {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_, _ = out.WriteString(names[i])
		_ = out.WriteByte(':')
		if s, isText := col.(*array.String); isText && !col.IsNull(row) {
			text, err := json.Marshal(s.Value(row))
			if err != nil {
				return fmt.Errorf("column %s: %w", names[i], err)
			}
			_, _ = out.Write(text)
			continue
		}
		_, _ = out.WriteString(jsonScalar(col, row))
	}
	return out.WriteByte('}')
}

// jsonScalar is a value that is not text.
func jsonScalar(col arrow.Array, row int) string {
	text := scalar(col, row)
	switch c := col.(type) {
	case *array.Float64:
		if !c.IsNull(row) {
			return jsonFloat(c.Value(row), text)
		}
	case *array.Date32, *array.Timestamp:
		if text != "" {
			return `"` + text + `"`
		}
	}
	if text == "" {
		return "null"
	}
	return text
}

// jsonFloat is a float as JSON, where text is a number that it reads back from.
func jsonFloat(v float64, text string) string {
	switch {
	case math.IsNaN(v):
		return `"NaN"`
	case math.IsInf(v, 1):
		return `"Infinity"`
	case math.IsInf(v, -1):
		return `"-Infinity"`
	}
	return text
}

// scalar is a value as text; empty if null.
func scalar(col arrow.Array, row int) string {
	if col.IsNull(row) {
		return ""
	}
	switch c := col.(type) {
	case *array.Int64:
		return strconv.FormatInt(c.Value(row), 10)
	case *array.Float64:
		return formatFloat(c.Value(row))
	case *array.Boolean:
		return strconv.FormatBool(c.Value(row))
	case *array.String:
		return c.Value(row)
	case *array.Date32:
		return c.Value(row).ToTime().Format(time.DateOnly)
	case *array.Timestamp:
		return time.UnixMicro(int64(c.Value(row))).UTC().Format("2006-01-02T15:04:05.999999Z")
	}
	return col.ValueStr(row)
}

// formatFloat is the shortest text that reads back as the same number, without an
// exponent where that is readable, and as a float: a whole number ends in ".0", so
// that a column keeps its type when it is imported again.
func formatFloat(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if v == math.Trunc(v) && !math.IsInf(v, 0) {
		s += ".0"
	}
	return s
}

// WriteCSV writes rows under a header. Nulls are empty cells; in a table of one
// column they are "", since an empty line is no row.
func WriteCSV(w io.Writer, t Ranger, from, to int64) error {
	out := csv.NewWriter(w)
	cells := make([]string, t.Schema().NumFields())
	for i, f := range t.Schema().Fields() {
		cells[i] = f.Name
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	err := t.Range(from, to, func(batch arrow.RecordBatch) error {
		for row := range int(batch.NumRows()) {
			for i, col := range batch.Columns() {
				cells[i] = scalar(col, row)
			}
			if len(cells) == 1 && cells[0] == "" {
				out.Flush()
				if _, err := io.WriteString(w, "\"\"\n"); err != nil {
					return err
				}
				continue
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// WriteArrow writes rows as an Arrow IPC stream.
func WriteArrow(w io.Writer, t Ranger, from, to int64) error {
	out := ipc.NewWriter(w, ipc.WithSchema(t.Schema()))
	if err := t.Range(from, to, out.Write); err != nil {
		return err
	}
	return out.Close()
}
