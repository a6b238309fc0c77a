package rewrite_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
)

func TestInitialisationIsLiftedOut(t *testing.T) {
	m, err := binary.Parse(hostile.Module{Start: hostile.Store(0, 1)}.Encode())
	require.NoError(t, err)
	m.Globals = []binary.Global{{Type: binary.TypeI32}, {Type: binary.TypeI64, Mutable: true}}
	l, err := rewrite.Lift(m)
	require.NoError(t, err)
	assert.Equal(t, m.Data, l.Data)
	after, err := binary.Parse(l.Wasm)
	require.NoError(t, err)
	assert.Nil(t, after.Start)
	assert.Empty(t, after.Data)
	assert.Equal(t, m.Bodies[0].Code, after.Bodies[0].Code)
	assert.Equal(t, []string{"thresher:global:1"}, l.Globals)
	assert.Contains(t, after.Exports, binary.Export{Name: l.Globals[0], Kind: binary.KindGlobal, Index: 1})
	assert.Contains(t, after.Exports, binary.Export{Name: l.Start, Kind: binary.KindFunction, Index: *m.Start})
}

// State that is neither memory nor a number cannot be put back: such modules are
// left as they are, and the reason is said.
func TestStateThatCannotBeTakenIsNamed(t *testing.T) {
	body := func(code ...byte) binary.Module { return binary.Module{Bodies: []binary.Body{{Code: code}}} }
	for reason, m := range map[string]binary.Module{
		"table.set":      body(0x26, 0),
		"table.init":     body(0xfc, 12, 0, 0),
		"elem.drop":      body(0xfc, 13, 0),
		"table.copy":     body(0xfc, 14, 0, 0),
		"table.grow":     body(0xfc, 15, 0),
		"table.fill":     body(0xfc, 17, 0),
		"memory.init":    body(0xfc, 8, 0, 0),
		"data.drop":      body(0xfc, 9, 0),
		"not a number":   {Globals: []binary.Global{{Type: 0x70, Mutable: true}}},
		"not a function": {Imports: []binary.Import{{Kind: binary.KindMemory}}},
		"constant place": {Data: []binary.Data{{Active: true}}},
		"taken":          {Exports: []binary.Export{{Name: "thresher:x"}}},
	} {
		t.Run(reason, func(t *testing.T) {
			m.Memories = 1
			m.Exports = append(m.Exports, binary.Export{Name: "memory"})
			_, err := rewrite.Lift(&m)
			var un *rewrite.Unliftable
			require.ErrorAs(t, err, &un)
			assert.Contains(t, un.Reason, reason)
		})
	}
	_, err := rewrite.Lift(&binary.Module{Memories: 2})
	assert.ErrorContains(t, err, "2 memories")
	_, err = rewrite.Lift(&binary.Module{Memories: 1})
	assert.ErrorContains(t, err, "exports nothing")
}
