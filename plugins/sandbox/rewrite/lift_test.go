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
	r, err := rewrite.Rewrite(m)
	require.NoError(t, err)
	require.NotNil(t, r.Lifted, r.Plain)
	assert.Equal(t, m.Data, r.Lifted.Data)
	after, err := binary.Parse(r.Wasm)
	require.NoError(t, err)
	assert.Nil(t, after.Start)
	assert.Empty(t, after.Data)
	start := binary.Export{Name: rewrite.Start, Kind: binary.KindFunction, Index: *m.Start + 2}
	assert.Contains(t, after.Exports, start, "the tick and deep come before it")
}

// State that is neither memory nor a number cannot be put back: such modules
// initialise themselves, and the reason is said.
func TestStateThatCannotBeTakenIsNamed(t *testing.T) {
	body := func(code ...byte) binary.Module {
		return binary.Module{
			Types: []binary.FuncType{{}}, Functions: []uint32{0}, Bodies: []binary.Body{{Code: append(code, binary.OpEnd)}},
			Tables: 1, TableTypes: make([]binary.Table, 1), Elements: []binary.Element{{Mode: binary.ElementPassive}},
		}
	}
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
		"0 memories":     {},
	} {
		t.Run(reason, func(t *testing.T) {
			if reason != "0 memories" {
				m.Memories = 1
			}
			r, err := rewrite.Rewrite(&m)
			require.NoError(t, err)
			assert.Nil(t, r.Lifted)
			assert.Contains(t, r.Plain, reason)
		})
	}
}

func TestNamesThatRewritingUsesAreRefused(t *testing.T) {
	m, err := binary.Parse(hostile.Module{Also: "thresher:gas"}.Encode())
	require.NoError(t, err)
	_, err = rewrite.Rewrite(m)
	assert.ErrorContains(t, err, "are taken")
}
