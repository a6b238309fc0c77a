package rewrite_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
)

// What rewriting adds has the numbers behind the module's own. A module that names
// them is not valid, and must not become so: it could give itself gas.
func TestAModuleCannotNameWhatIsAdded(t *testing.T) {
	t.Parallel()
	zeros := func(n int) (code []byte) {
		for range n {
			code = append(code, hostile.I32Const(0)...)
		}
		return code
	}
	for name, m := range map[string]hostile.Module{
		"gas":           {Run: hostile.Code(hostile.I64Const(1<<62), []byte{0x24, 0}, zeros(1))},
		"charge":        {Run: hostile.Code(zeros(1), hostile.Call(5), zeros(1))},
		"fill":          {Run: hostile.Code(zeros(3), hostile.Call(6), zeros(1))},
		"type_of_block": {Run: hostile.Code(zeros(3), []byte{0x02, 5, 0x1a, 0x1a, 0x1a, 0x0b}, zeros(1))},
		"type_of_call":  {Table: 1, Run: hostile.Code(zeros(4), []byte{0x11, 5, 0}, zeros(1))},
		"references":    {Table: 1, Run: hostile.Code([]byte{0xd2, 0, 0x1a}, zeros(1), []byte{0x25, 1, 0x1a}, zeros(1))},
		"scratch":       {Run: hostile.Code(zeros(3), []byte{0xfc, 11, 0, 0x20, 1, 0x1a}, zeros(1))},
		"segment":       {Table: 1, Run: hostile.Code([]byte{0xd2, 0, 0x1a, 0xfc, 13, 0}, zeros(1))},
		"after_the_end": {Run: hostile.Code(zeros(1), []byte{0x0b})},
		"never_ends":    {Run: hostile.Code(zeros(1), []byte{0x02, 0x40})},
		"undeclared":    {Start: []byte{0xd2, 4, 0x1a}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wasm := m.Encode()
			untouchedIsRefused(t, wasm)
			parsed, err := binary.Parse(wasm)
			require.NoError(t, err)
			_, err = rewrite.Rewrite(parsed)
			var says *binary.Error
			assert.ErrorAs(t, err, &says)
		})
	}
}

// The start function and the limits of the memory are written anew: nothing but
// rewriting sees what they were.
func TestWhatIsLiftedOutWasValid(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*binary.Module){
		"start_with_a_parameter": func(m *binary.Module) { start := uint32(1); m.Start = &start },
		"start_of_nothing":       func(m *binary.Module) { start := uint32(99); m.Start = &start },
		"most_below_least":       func(m *binary.Module) { m.MemoryTypes[0] = binary.Limits{Min: 4, Max: 3, HasMax: true} },
		"more_than_there_are":    func(m *binary.Module) { m.MemoryTypes[0] = binary.Limits{Max: 1<<16 + 1, HasMax: true} },
		"type_of_nothing":        func(m *binary.Module) { m.Functions[0] = 99 },
		"imports_the_tick": func(m *binary.Module) {
			m.Imports = append(m.Imports, binary.Import{Module: rewrite.Host, Name: rewrite.Tick})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := binary.Parse(hostile.Module{}.Encode())
			require.NoError(t, err)
			change(m)
			_, err = rewrite.Rewrite(m)
			assert.Error(t, err)
		})
	}
}
