package lines_test

import (
	"debug/dwarf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/lines"
)

// sections are the custom sections of a module built of C.
func sections(t testing.TB, flags ...string) map[string][]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "crash.wasm")
	guesttest.Needs(t, compilers.C(t.Context(), []string{"../testdata/lined/crash.c"}, out, compilers.Plugin, flags...))
	wasm, err := os.ReadFile(out)
	require.NoError(t, err)
	m, err := binary.Parse(wasm)
	require.NoError(t, err)
	all := map[string][]byte{}
	for _, s := range m.Sections {
		if name, content := s.Custom(); name != "" {
			all[name] = content
		}
	}
	return all
}

type place struct {
	addr         uint32
	file         string
	line, column int
	end          bool
}

// standard is what Go's own reader finds, in the order of addresses.
func standard(t *testing.T, s map[string][]byte) (all []place) {
	t.Helper()
	d, err := dwarf.New(s[".debug_abbrev"], nil, nil, s[".debug_info"], s[".debug_line"], nil, s[".debug_ranges"], s[".debug_str"])
	require.NoError(t, err)
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if len(s[name]) > 0 {
			require.NoError(t, d.AddSection(name, s[name]))
		}
	}
	units := d.Reader()
	for {
		unit, err := units.Next()
		require.NoError(t, err)
		if unit == nil {
			break
		}
		units.SkipChildren()
		r, err := d.LineReader(unit)
		require.NoError(t, err)
		for {
			var e dwarf.LineEntry
			err := r.Next(&e)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if e.Line == 0 {
				e.Column = 0 // of no line
			}
			all = append(all, place{uint32(e.Address), filepath.Base(e.File.Name), e.Line, e.Column, e.EndSequence})
		}
	}
	slices.SortStableFunc(all, func(a, b place) int { return int(a.addr) - int(b.addr) })
	return all
}

func TestRowsAreThoseThatAnotherReaderFinds(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := sections(t, format)
			table := lines.Read(lines.Sections{Line: s[".debug_line"], LineStr: s[".debug_line_str"], Str: s[".debug_str"]})
			want := standard(t, s)
			require.NotEmpty(t, table.Rows)
			for _, row := range table.Rows {
				got := place{row.Addr, filepath.Base(table.Files[row.File]), int(row.Line), int(row.Column), row.End}
				assert.Contains(t, want, got)
			}
			for _, w := range want {
				assert.True(t, slices.ContainsFunc(table.Rows, func(r lines.Row) bool { return r.Addr == w.addr }), w)
			}
		})
	}
}

func TestWhatIsWrittenIsReadByAnother(t *testing.T) {
	t.Parallel()
	files := []string{"/src/a.c", "lib/b.h"}
	written := map[string][]byte{}
	for _, s := range lines.Write(files, []lines.Function{
		{Rows: []lines.Row{{Addr: 7, File: 1, Line: 3, Column: 9}, {Addr: 300, File: 0, Line: 70000}, {Addr: 301, File: 1, Line: 2}}, End: 400},
		{},
		{Rows: []lines.Row{{Addr: 500, File: 0, Line: 1, Column: 1}}, End: 512},
	}) {
		written[s.Name] = s.Content
	}
	assert.Equal(t, []place{
		{7, "b.h", 3, 9, false}, {300, "a.c", 70000, 0, false}, {301, "b.h", 2, 0, false}, {400, "b.h", 2, 0, true},
		{500, "a.c", 1, 1, false}, {512, "a.c", 1, 1, true},
	}, standard(t, written))
	assert.Empty(t, lines.Write(files, nil))
}

// Texts of v5 lie in another section, and entries can be of no bytes: neither must
// make much of little.
func TestLittleInputMakesLittleOfIt(t *testing.T) {
	t.Parallel()
	unit := func(header string) []byte {
		body := "\x05\x00\x04\x00" + string([]byte{byte(len(header)), 0, 0, 0}) + header
		return []byte(string([]byte{byte(len(body)), 0, 0, 0}) + body)
	}
	head := "\x01\x01\x01\x00\x01\x01" // one opcode: none is standard
	for name, lists := range map[string]string{
		"directories of no bytes": "\x00\xff\xff\xff\xff\x0f",
		"very many directories":   "\x01\x01\x1f\xff\xff\xff\xff\x0f" + strings.Repeat("\x00", 40),
		"an unknown form":         "\x01\x01\x7f\x01",
	} {
		table := lines.Read(lines.Sections{Line: unit(head + lists), LineStr: []byte(strings.Repeat("a", 1<<20))})
		assert.Empty(t, table.Rows, name)
		assert.LessOrEqual(t, len(table.Files), 1, name)
	}
}

func FuzzRead(f *testing.F) {
	for _, format := range []string{"-gdwarf-4", "-gdwarf-5"} {
		s := sections(f, format)
		f.Add(s[".debug_line"], s[".debug_line_str"])
	}
	f.Fuzz(func(t *testing.T, line, text []byte) {
		table := lines.Read(lines.Sections{Line: line, LineStr: text, Str: text})
		for i, row := range table.Rows {
			require.Less(t, int(row.File), len(table.Files))
			require.True(t, i == 0 || table.Rows[i-1].Addr < row.Addr, "rows are in order, one for an address")
		}
		if len(table.Rows) == 0 {
			return
		}
		last := table.Rows[len(table.Rows)-1].Addr
		for _, s := range lines.Write(table.Files, []lines.Function{{Rows: table.Rows, End: last + 1}}) {
			require.NotEmpty(t, s.Content)
		}
	})
}
