// Package lines reads which line of which file a module's code came from, and writes
// it for the module as it was rewritten.
//
// It reads no more of DWARF than the line programs (.debug_line, versions 2 to 5): not
// the tree of what the code declares. What it reads is the guest's: it takes time and
// memory linear in the section, bounded by [MostRows], and what is damaged gives fewer
// lines, never an error.
package lines

import (
	"path"
	"slices"
	"strings"
)

// MostRows bounds the rows that are read of a module; those that follow are left out.
const MostRows = 1 << 19

const (
	maxPath  = 256     // bytes of a file's path; of a longer one the end is kept
	maxFiles = 1 << 15 // that are told apart, and that one unit names
)

// nowhere is the number of a file that is one too many.
const nowhere = ^uint32(0)

// Row says that the code from an address on came from a line. Addresses count from the
// start of the code section's content.
type Row struct {
	Addr         uint32
	File         uint32 // of Table.Files
	Line, Column uint32 // 0: not known
	End          bool   // from here on nothing is known
}

// Table is what was read.
type Table struct {
	Files []string
	Rows  []Row // by address, one for each
}

// Sections are the custom sections that say it.
type Sections struct{ Line, LineStr, Str []byte }

// Read reads a module's lines.
func Read(s Sections) *Table {
	b := builder{known: map[string]uint32{}}
	rest := reader{data: s.Line}
	for !rest.done() && len(b.table.Rows) < MostRows {
		unit, wide := rest.unit()
		if rest.bad {
			break
		}
		b.unit(unit, wide, s)
	}
	b.sort()
	return &b.table
}

type builder struct {
	table Table
	known map[string]uint32 // path → its place in Files
}

// sort puts the rows in order. Of those of one address the last one written counts.
func (b *builder) sort() {
	rows := b.table.Rows
	slices.SortStableFunc(rows, func(x, y Row) int {
		switch {
		case x.Addr != y.Addr:
			return int(int64(x.Addr) - int64(y.Addr))
		case x.End != y.End && x.End: // a function begins where another ends
			return -1
		case x.End != y.End:
			return 1
		}
		return 0
	})
	kept := rows[:0]
	for i, r := range rows {
		if i+1 == len(rows) || rows[i+1].Addr != r.Addr {
			kept = append(kept, r)
		}
	}
	b.table.Rows = kept
}

// file returns the number of a path.
func (b *builder) file(dir, name string) uint32 {
	dir, name = dir[max(0, len(dir)-maxPath):], name[max(0, len(name)-maxPath):]
	if !path.IsAbs(name) {
		name = path.Join(dir, name)
	}
	name = strings.ToValidUTF8(name[max(0, len(name)-maxPath):], "?")
	number, known := b.known[name]
	if len(b.known) == maxFiles && !known || name == "" {
		return nowhere
	}
	if !known {
		number = uint32(len(b.table.Files))
		b.known[name] = number
		b.table.Files = append(b.table.Files, name)
	}
	return number
}
