package rewrite

import (
	"slices"

	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/lines"
)

// source carries the lines that code came from over to the code as it is written anew.
// What was added belongs to the line of the instruction behind which it stands. A nil
// does nothing: the module does not say where it came from.
type source struct {
	table     *lines.Table
	start     int // of the code section's content in the module, where addresses begin
	functions []lines.Function

	rows []lines.Row // of the table, those of the function being written and of later ones
	here []lines.Row // of that function, their addresses from the start of its body
}

// maxLinedCode is how much code may be to have its lines kept: for each of its
// instructions the runtime keeps 16 bytes.
const maxLinedCode = 8 << 20

// source reads the lines of the module, if it has some.
func (r *rewriter) source(custom []binary.Section) *source {
	var s lines.Sections
	for _, c := range custom {
		name, content := c.Custom()
		switch name {
		case ".debug_line":
			s.Line = content
		case ".debug_line_str":
			s.LineStr = content
		case ".debug_str":
			s.Str = content
		}
	}
	at := slices.IndexFunc(r.m.Sections, func(s binary.Section) bool { return s.ID == binary.SectionCode })
	if len(s.Line) == 0 || at < 0 || len(r.m.Sections[at].Content) > maxLinedCode {
		return nil
	}
	table := lines.Read(s)
	return &source{table: table, start: r.m.Sections[at].Offset, rows: table.Rows}
}

// function begins with a function, and returns what is to be told where its
// instructions go, in order; nil if it has no lines.
func (s *source) function(b binary.Body) (moved func(from, to int)) {
	if s == nil {
		return nil
	}
	first := uint32(b.Offset - s.start)
	last := first + uint32(len(b.Code))
	var known *lines.Row // that holds where the function begins: its locals have a line too
	for len(s.rows) > 0 && s.rows[0].Addr <= first {
		known, s.rows = &s.rows[0], s.rows[1:]
	}
	n := 0
	for n < len(s.rows) && s.rows[n].Addr < last {
		n++
	}
	own := s.rows[:n]
	s.rows = s.rows[n:]
	if known != nil && known.End {
		known = nil
	}
	if known == nil && n == 0 {
		return nil
	}
	return func(from, to int) {
		for len(own) > 0 && own[0].Addr <= first+uint32(from) {
			known, own = &own[0], own[1:]
		}
		if known == nil {
			return
		}
		row := *known
		row.Addr, known = uint32(to), nil
		s.here = append(s.here, row)
	}
}

// done ends the function, whose body is there in the section now.
func (s *source) done(start, end int) {
	if s == nil || len(s.here) == 0 {
		return
	}
	f := lines.Function{End: uint32(end)}
	for _, row := range s.here {
		row.Addr += uint32(start)
		n := len(f.Rows)
		switch {
		case row.End:
			row.Line, row.Column = 0, 0
		case row.Line == 0: // of no line: that before it is near
			continue
		case n > 0 && f.Rows[n-1].Line == row.Line && f.Rows[n-1].File == row.File && f.Rows[n-1].Column == row.Column:
			continue
		}
		f.Rows = append(f.Rows, row)
	}
	s.here = s.here[:0]
	s.functions = append(s.functions, f)
}

// sections say the lines of the code as it is now.
func (s *source) sections() (all []binary.Section) {
	if s == nil {
		return nil
	}
	for _, c := range lines.Write(s.table.Files, s.functions) {
		all = append(all, binary.CustomSection(c.Name, c.Content))
	}
	return all
}
