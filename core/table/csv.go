package table

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
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
		return value{}, c.explain(err)
	}
	c.row = c.row[:0]
	for i, cell := range cells {
		v, err := c.cell(i, cell)
		if err != nil {
			return value{}, err
		}
		c.row = append(c.row, field{c.header[i], v})
	}
	return value{object: true, fields: c.row}, nil
}

func (c *csvRows) cell(i int, cell string) (value, error) {
	if cell == "" {
		return value{null: true}, nil
	}
	if !utf8.ValidString(cell) {
		return value{}, c.wrong(i, "is not UTF-8")
	}
	v, err := textCell(untyped, cell)
	if err != nil {
		return value{}, c.wrong(i, err.Error())
	}
	return v, nil
}

func (c *csvRows) wrong(i int, message string) error {
	line, _ := c.reader.FieldPos(i)
	return &ImportError{Line: int64(line), Column: int64(i + 1), Field: c.header[i], Message: message}
}

func (c *csvRows) readHeader() error {
	header, err := c.reader.Read()
	if errors.Is(err, io.EOF) {
		return &ImportError{Line: 1, Column: 1, Message: "the file is empty: want a header line with the columns' names"}
	}
	if err != nil {
		return c.explain(err)
	}
	c.header = append([]string{}, header...)
	seen := map[string]int{}
	for i, name := range c.header {
		if first, twice := seen[name]; twice {
			return &ImportError{Line: 1, Column: int64(i + 1), Field: name, Message: fmt.Sprintf("column %d has this name already", first+1)}
		}
		if name == "" || len(name) > maxNameLength || !utf8.ValidString(name) {
			return &ImportError{Line: 1, Column: int64(i + 1), Message: fmt.Sprintf("the column's name is %.40q: want 1 to %d bytes of UTF-8", name, maxNameLength)}
		}
		seen[name] = i
	}
	return nil
}

// explain gives an error of the reader its place.
func (c *csvRows) explain(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	e := &ImportError{Line: int64(parse.Line), Column: int64(parse.Column), Message: parse.Err.Error()}
	if errors.Is(parse.Err, csv.ErrFieldCount) {
		e.Column = 1
		e.Message = fmt.Sprintf("the row does not have %d cells as the header does", len(c.header))
	}
	return e
}
