package table

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"thresher/core/table/cell"
)

// csvRows reads rows of cells under a header.
type csvRows struct {
	in     *guarded
	reader *csv.Reader
	header []string
	row    []field // reused
}

func newCSVRows(in *guarded) *csvRows {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	return &csvRows{in: in, reader: r}
}

// next returns the next row as an object of its cells, or io.EOF. It is valid
// until the next call.
func (c *csvRows) next() (value, error) {
	if c.header == nil {
		if err := c.readHeader(); err != nil {
			return value{}, err
		}
	}
	c.in.row(c.reader.InputOffset())
	cells, err := c.reader.Read()
	if err != nil {
		return value{}, c.explain(cells, err)
	}
	c.row = c.row[:0]
	for i, text := range cells {
		if !utf8.ValidString(text) {
			return value{}, c.wrong(i, "the cell is not UTF-8")
		}
		v := value{null: true}
		if text != "" {
			v = textCell(cell.Untyped, text)
		}
		c.row = append(c.row, field{c.header[i], v})
	}
	return value{object: true, fields: c.row}, nil
}

func (c *csvRows) wrong(i int, message string) error {
	line, _ := c.reader.FieldPos(i)
	return &ImportError{Line: int64(line), Column: int64(i + 1), Field: c.name(i), Message: message}
}

// name returns the name of a column, if it has one.
func (c *csvRows) name(i int) string {
	if i < len(c.header) {
		return c.header[i]
	}
	return ""
}

func (c *csvRows) readHeader() error {
	header, err := c.reader.Read()
	if errors.Is(err, io.EOF) {
		return &ImportError{Line: 1, Column: 1, Message: "the file is empty: want a header line with the columns' names"}
	}
	if err != nil {
		return c.explain(nil, err)
	}
	if len(header) > MaxColumns {
		return c.wrong(MaxColumns, fmt.Sprintf("%d columns: the limit is %d", len(header), MaxColumns))
	}
	seen := map[string]int{}
	for i, name := range header {
		switch first, twice := seen[name]; {
		case twice:
			return c.wrong(i, fmt.Sprintf("two columns are named %q: column %d has this name already", name, first+1))
		case name == "" || len(name) > maxNameLength || !utf8.ValidString(name):
			return c.wrong(i, fmt.Sprintf("the column's name is %.40q: want 1 to %d bytes of UTF-8", name, maxNameLength))
		case strings.Contains(name, "\r"):
			return c.wrong(i, "the lines end with a carriage return alone: want line feeds")
		}
		seen[name] = i
	}
	c.header = append([]string{}, header...)
	return nil
}

// explain gives an error of the reader its place.
func (c *csvRows) explain(cells []string, err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if errors.Is(parse.Err, csv.ErrFieldCount) {
		at := min(len(cells), len(c.header)) // the first cell that is missing or too much
		return &ImportError{
			Line: int64(parse.StartLine), Column: int64(at + 1), Field: c.name(at),
			Message: fmt.Sprintf("the row has %d cells, the header has %d", len(cells), len(c.header)),
		}
	}
	line, cell := c.locate(parse)
	message := parse.Err.Error()
	if errors.Is(parse.Err, csv.ErrQuote) {
		message = `a quoted cell does not end, or text follows its closing " (inside it, write "" for a quote)`
	}
	return &ImportError{Line: int64(line), Column: int64(cell + 1), Field: c.name(cell), Message: message}
}

// locate finds the cell in which a row went wrong, and the line where that cell
// starts: the reader tells the line and byte where it noticed, which for a quote
// that is never closed is the end of the file.
func (c *csvRows) locate(parse *csv.ParseError) (line, cell int) {
	row := bufio.NewReader(c.in.section(c.in.rowStart, 2*maxRow))
	at, column := parse.StartLine, 1
	line = at
	quoted, blank := false, true // blank: before the row, which the reader's StartLine leaves out
	for at < parse.Line || at == parse.Line && column < parse.Column {
		char, err := row.ReadByte()
		if err != nil {
			break
		}
		if blank && (char == '\n' || char == '\r') {
			continue
		}
		blank = false
		column++
		switch {
		case char == '"':
			quoted = !quoted
		case char == '\n':
			at, column = at+1, 1
		case char == ',' && !quoted:
			cell++
			line = at
		}
	}
	return line, cell
}
