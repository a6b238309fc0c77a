package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	sdk "thresher/plugins/sdk/go"
)

// source is a file as rows.
type source interface {
	// next returns the next row's values, and where they are in the line, until the next
	// call. The error is io.EOF behind the last.
	next() (cells []cell, err error)
	position() (line, bytes int64)
}

// cell is a value as it is written.
type cell struct {
	text string
	at   int64 // as a user counts in such a line, from 1
}

// column is a column of the table.
type column struct {
	name string
	kind string // as declared; empty: what all values are
}

// kinds are the types that a column can have, the narrowest first.
var kinds = []string{"int64", "float64", "string"}

const maxColumns = 4096 // of a table

// load reads a file twice, so that its rows need not be kept: once for the types of its
// columns, and once to write them.
func load(c *sdk.Call, columns []column, null string, open func() (source, error)) (any, error) {
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	isNull := func(text string) bool { return text == "" || text == null }
	pass := func(part float64, row func(line int64, cells []cell) error) error {
		return each(open, func(line, bytes int64, cells []cell) error {
			if line%(1<<14) == 0 {
				c.Progress(part+float64(bytes)/float64(2*f.Size()), fmt.Sprintf("line %d", line))
			}
			return row(line, cells)
		})
	}
	if columns, err = typed(columns, isNull, pass); err != nil {
		return nil, err
	}
	declared := make([]sdk.Col, len(columns))
	for i, col := range columns {
		declared[i] = sdk.Col{Name: col.name, Type: col.kind}
	}
	table, rows, values := c.Output("data", declared...), int64(0), make([]any, len(columns))
	err = pass(0.5, func(_ int64, cells []cell) error {
		for i, v := range cells {
			if values[i] = nil; !isNull(v.text) {
				values[i], _ = parsed(v.text, columns[i].kind) // it was, once
			}
		}
		rows++
		return table.Append(values...)
	})
	described := make([]map[string]string, len(columns))
	for i, col := range columns {
		described[i] = map[string]string{"name": col.name, "type": col.kind}
	}
	return map[string]any{"rows": rows, "columns": described}, err
}

// each goes through a file's rows.
func each(open func() (source, error), row func(line, bytes int64, cells []cell) error) error {
	from, err := open()
	for err == nil {
		var cells []cell
		if cells, err = from.next(); err == nil {
			line, bytes := from.position()
			err = row(line, bytes, cells)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// typed finds the types of the columns that have none, and holds the others' values
// against theirs. A column without values is text.
func typed(columns []column, isNull func(string) bool, pass func(float64, func(int64, []cell) error) error) ([]column, error) {
	narrowest := make([]int, len(columns)) // of kinds
	filled := make([]bool, len(columns))
	err := pass(0, func(line int64, cells []cell) error {
		for i, v := range cells {
			if isNull(v.text) {
				continue
			}
			filled[i] = true
			if kind := columns[i].kind; kind != "" {
				if _, ok := parsed(v.text, kind); !ok {
					return sdk.At(line, v.at, "column %s: found %.60q: want %s", columns[i].name, v.text, wanted[kind])
				}
				continue
			}
			for ; narrowest[i] < len(kinds)-1; narrowest[i]++ {
				if _, ok := parsed(v.text, kinds[narrowest[i]]); ok {
					break
				}
			}
		}
		return nil
	})
	columns = slices.Clone(columns)
	for i := range columns {
		switch {
		case columns[i].kind != "":
		case filled[i]:
			columns[i].kind = kinds[narrowest[i]]
		default:
			columns[i].kind = "string"
		}
	}
	return columns, err
}

// wanted says what values of a type look like.
var wanted = map[string]string{
	"int64": "a whole number such as -12", "float64": "a number such as 1.5 or 2e3", "bool": "true or false",
}

// parsed is a text as a value of a type.
func parsed(text, kind string) (value any, ok bool) {
	var err error
	switch kind {
	case "int64":
		value, err = strconv.ParseInt(text, 10, 64)
		return value, err == nil && !isCode(text)
	case "float64":
		value, err = strconv.ParseFloat(text, 64)
		return value, err == nil && !isCode(text) && !strings.ContainsAny(text, "xX_nN") // no hex, no infinity
	case "bool":
		return text == "true", text == "true" || text == "false"
	}
	return text, true
}

// isCode reports whether digits are no number, but a code, such as a post code.
func isCode(text string) bool {
	text = strings.TrimLeft(text, "+-")
	return len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9'
}

// checkNames holds names and types against what a table may have. place says where one
// was found.
func checkNames(columns []column, place func(i int, format string, args ...any) error) error {
	seen := map[string]bool{}
	for i, col := range columns {
		switch {
		case i >= maxColumns:
			return place(i, "there are more than %d columns, which is the limit", maxColumns)
		case col.name == "" || len(col.name) > 1024:
			return place(i, "found the name %.60q of column %d: want 1 to 1024 bytes", col.name, i+1)
		case seen[col.name]:
			return place(i, "found a second column named %q: want each name once", col.name)
		case col.kind != "" && col.kind != "string" && wanted[col.kind] == "":
			return place(i, "found the type %q of column %s: want int64, float64, bool or string", col.kind, col.name)
		}
		seen[col.name] = true
	}
	return nil
}
