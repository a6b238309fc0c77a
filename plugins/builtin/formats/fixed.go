package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	sdk "thresher/plugins/sdk/go"
)

// FixedParams are those of formats/fixed.
type FixedParams struct {
	Columns []string `json:"columns" title:"Columns" doc:"NAME:FROM-TO or NAME:FROM-TO:TYPE for each: its first and last character in a line, from 1, and int64, float64, bool or string."`
	Skip    int      `json:"skip" default:"0" minimum:"0" unit:"lines" title:"Skip" doc:"Lines before the first row, such as a header."`
	Null    string   `json:"null,omitempty" title:"No value" doc:"What stands for no value, such as -99, beside blanks."`
}

// field is where a column is in a line: characters from 1, the last included.
type field struct{ from, to int }

func importFixed(c *sdk.Call, p FixedParams) (any, error) {
	columns, fields, err := layout(p.Columns)
	if err != nil {
		return nil, err
	}
	return load(c, columns, p.Null, func() (source, error) {
		f, err := c.File()
		if err != nil {
			return nil, err
		}
		s := &cut{lines: newLines(f), fields: fields, cells: make([]cell, len(fields))}
		for s.number < int64(p.Skip) && err == nil {
			err = s.skip()
		}
		return s, err
	})
}

// layout reads what the param says of the columns.
func layout(texts []string) (columns []column, fields []field, err error) {
	for _, text := range texts {
		parts := strings.Split(text, ":")
		if len(parts) == 2 {
			parts = append(parts, "")
		}
		var f field
		ok := len(parts) == 3
		if ok {
			from, to, _ := strings.Cut(parts[1], "-")
			var fromErr, toErr error
			f.from, fromErr = strconv.Atoi(from)
			f.to, toErr = strconv.Atoi(to)
			ok = fromErr == nil && toErr == nil && 1 <= f.from && f.from <= f.to && f.to <= maxLine
		}
		if !ok {
			return nil, nil, fmt.Errorf("columns: found %q: want NAME:FROM-TO or NAME:FROM-TO:TYPE, such as year:11-14:int64", text)
		}
		columns, fields = append(columns, column{parts[0], parts[2]}), append(fields, f)
	}
	if len(columns) == 0 {
		return nil, nil, errors.New("columns: found none: want one at least, such as year:11-14")
	}
	return columns, fields, checkNames(columns, func(_ int, format string, args ...any) error {
		return fmt.Errorf("columns: "+format, args...)
	})
}

// cut are lines that are cut at the same characters.
type cut struct {
	*lines
	fields []field
	cells  []cell
}

func (s *cut) position() (line, bytes int64) { return s.number, s.read }

// skip reads over a line, an empty one too.
func (s *cut) skip() error {
	line, err := s.from.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return sdk.At(s.number+1, 1, "the line has more than %d bytes", maxLine)
	}
	s.number++
	s.read += int64(len(line))
	if len(line) > 0 && errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// next implements source.
func (s *cut) next() ([]cell, error) {
	line, err := s.lines.next()
	if err != nil {
		return nil, err
	}
	if at := bytes.IndexByte(line, '\t'); at >= 0 {
		return nil, sdk.At(s.number, int64(utf8.RuneCount(line[:at])+1), "found a tab: want blanks, since columns are counted in characters")
	}
	ends := characters(line)
	for i, f := range s.fields {
		from, to := min(f.from-1, len(ends)-1), min(f.to, len(ends)-1)
		text := line[ends[from]:ends[to]]
		blank := len(text) - len(bytes.TrimLeft(text, " "))
		s.cells[i] = cell{string(bytes.TrimSpace(text)), int64(f.from + blank)}
	}
	return s.cells, nil
}

// characters are the bytes at which the characters of a line begin, and its end.
func characters(line []byte) []int {
	starts := make([]int, 0, len(line)+1)
	for i := range string(line) {
		starts = append(starts, i)
	}
	return append(starts, len(line))
}
