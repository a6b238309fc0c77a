package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	sdk "thresher/plugins/sdk/go"
)

// TSVParams are those of formats/tsv.
type TSVParams struct {
	Separator string   `json:"separator" default:"\t" title:"Separator" doc:"The character between two values."`
	Header    bool     `json:"header" default:"true" title:"Header" doc:"The first line has the columns' names. Otherwise they are c1, c2 and so on."`
	Types     []string `json:"types,omitempty" title:"Types" doc:"NAME:TYPE, for columns whose type is not to be found out: int64, float64, bool or string."`
	Null      string   `json:"null,omitempty" title:"No value" doc:"What stands for no value, such as NA, beside nothing."`
}

func importTSV(c *sdk.Call, p TSVParams) (any, error) {
	if utf8.RuneCountInString(p.Separator) != 1 || p.Separator == "\n" || p.Separator == "\r" {
		return nil, fmt.Errorf("separator: found %q: want one character, such as a tab", p.Separator)
	}
	open := func() (*separated, error) {
		f, err := c.File()
		if err != nil {
			return nil, err
		}
		return &separated{lines: newLines(f), separator: p.Separator}, nil
	}
	first, err := open()
	if err != nil {
		return nil, err
	}
	columns, err := first.header(p.Header)
	if err != nil {
		return nil, err
	}
	if err := declare(columns, p.Types); err != nil {
		return nil, err
	}
	return load(c, columns, p.Null, func() (source, error) {
		s, err := open()
		if err == nil && p.Header {
			_, err = s.next()
		}
		if err == nil {
			s.width = len(columns)
		}
		return s, err
	})
}

// declare gives columns the types that the params have for them.
func declare(columns []column, types []string) error {
	for _, text := range types {
		name, kind, _ := strings.Cut(text, ":")
		found := false
		for i := range columns {
			if columns[i].name == name {
				columns[i].kind, found = kind, true
			}
		}
		if !found {
			return fmt.Errorf("types: found %q: there is no column %q", text, name)
		}
	}
	return checkNames(columns, func(_ int, format string, args ...any) error { return fmt.Errorf("types: "+format, args...) })
}

// separated are lines whose values have a character between them.
type separated struct {
	*lines
	separator string
	width     int // values of each line; 0: any number
	cells     []cell
}

func (s *separated) position() (line, bytes int64) { return s.number, s.read }

// header returns the columns, as the first line has or numbers them.
func (s *separated) header(named bool) ([]column, error) {
	cells, err := s.next()
	if errors.Is(err, io.EOF) {
		return nil, sdk.At(1, 1, "found nothing: want a line with the columns' names")
	}
	if err != nil {
		return nil, err
	}
	columns := make([]column, len(cells))
	for i, v := range cells {
		if columns[i].name = v.text; !named {
			columns[i].name = fmt.Sprintf("c%d", i+1)
		}
	}
	return columns, checkNames(columns, func(i int, format string, args ...any) error {
		return sdk.At(s.number, int64(i+1), format, args...)
	})
}

// next implements source.
func (s *separated) next() ([]cell, error) {
	line, err := s.lines.next()
	if err != nil {
		return nil, err
	}
	s.cells = s.cells[:0]
	for text := range strings.SplitSeq(string(line), s.separator) {
		s.cells = append(s.cells, cell{text, int64(len(s.cells) + 1)})
	}
	if n := len(s.cells); s.width > 0 && n != s.width {
		return nil, sdk.At(s.number, int64(min(n, s.width)+1), "found %d values: want %d, as in the first line, with %q between two", n, s.width, s.separator)
	}
	return s.cells, nil
}
