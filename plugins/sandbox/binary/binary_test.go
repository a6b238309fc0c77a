package binary_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/binary"
)

func forged() []byte {
	return hostile.Module{
		Imports: []hostile.Function{{Module: "m", Name: "f", Params: []byte{hostile.I32}}},
		Start:   hostile.Code(hostile.F64Const(1), hostile.Drop, hostile.I64Const(-1), hostile.Drop),
		Run:     hostile.LoopForever,
	}.Encode()
}

func TestAModuleIsReadAsItWasWritten(t *testing.T) {
	wasm := forged()
	m, err := binary.Parse(wasm)
	require.NoError(t, err)
	assert.Equal(t, []binary.Import{{Module: "m", Name: "f", Type: 3}}, m.Imports)
	assert.Equal(t, 1, m.ImportedFunctions)
	assert.Equal(t, binary.FuncType{Params: []byte{binary.TypeI32}, Results: []byte{}}, m.Types[3])
	assert.Equal(t, []uint32{0, 1, 1, 1, 2}, m.Functions)
	assert.Equal(t, 1, m.Memories)
	assert.Equal(t, []binary.Limits{{Min: 1}}, m.MemoryTypes)
	assert.Equal(t, binary.Export{Name: "memory", Kind: binary.KindMemory}, m.Exports[0])
	assert.Equal(t, uint32(5), *m.Start)
	assert.Len(t, m.Bodies, 5)
	require.Len(t, m.Data, 1)
	assert.True(t, m.Data[0].Active && m.Data[0].Constant)
	assert.Equal(t, uint32(1024), m.Data[0].Offset)
	assert.Contains(t, string(m.Data[0].Bytes), `"name":"forged"`)
	assert.Equal(t, wasm, binary.Encode(m.Sections))
}

func TestEveryInstructionIsFound(t *testing.T) {
	m, err := binary.Parse(forged())
	require.NoError(t, err)
	var ops []uint32
	require.NoError(t, m.Bodies[4].Instructions(func(i binary.Instruction) error {
		ops = append(ops, i.Op)
		return nil
	}))
	assert.Equal(t, []uint32{0x44, 0x1a, 0x42, 0x1a, 0x0b}, ops)
}

// What a compiler makes has every kind of section, and its code is understood to
// the last instruction.
func TestACompiledModuleIsUnderstood(t *testing.T) {
	m, err := binary.Parse(guesttest.Build(t, "thresher/plugins/hostile/guest"))
	require.NoError(t, err)
	n := 0
	for _, b := range m.Bodies {
		last := binary.Instruction{}
		require.NoError(t, b.Instructions(func(i binary.Instruction) error {
			n++
			last = i
			return nil
		}))
		require.Equal(t, uint32(0x0b), last.Op, "a function ends with end")
		require.Equal(t, len(b.Code), last.End)
	}
	assert.Greater(t, n, 100_000)
	assert.NotEmpty(t, m.Data)
	assert.NotEmpty(t, m.Globals)
	require.NotEmpty(t, m.Elements)
	for _, e := range m.Elements {
		assert.Len(t, e.Functions, int(e.Count))
	}
	assert.NotEmpty(t, m.FunctionName(uint32(m.ImportedFunctions)))
}

func TestWhatCannotBeReadIsAnErrorWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		wasm  []byte
		place int
		says  string
	}{
		"empty":           {nil, 0, "magic"},
		"long section":    {module(6, 0xff, 0xff, 0x03), 12, "65535 bytes wanted"},
		"endless number":  {append(module(), 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 14, "more than 32 bits"},
		"number too high": {append(module(), 0, 0xff, 0xff, 0xff, 0xff, 0x1f), 14, "more than 32 bits"},
		"many entries":    {append(module(), 7, 2, 0xff, 0x01), 12, "255 entries cannot fit"},
		"too little":      {append(module(), 8, 2, 0, 0), 11, "more than it declares"},
		"kind of import":  {append(module(), 2, 4, 1, 0, 0, 9), 13, "import of kind 9"},
		"data flags":      {append(module(), 11, 2, 1, 7), 11, "flags 7"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := binary.Parse(c.wasm)
			var bad *binary.Error
			require.ErrorAs(t, err, &bad)
			assert.Contains(t, bad.Detail, c.says)
			assert.Equal(t, c.place, bad.Offset)
		})
	}
}

func TestAnUnknownInstructionIsNotSkipped(t *testing.T) {
	for _, code := range [][]byte{{0x06}, {0xfc, 99}, {0xfd, 0x94, 0x02}, {0xff}, {0x44, 1}, {0x0e, 5, 0}} {
		err := binary.Body{Offset: 100, Code: code}.Instructions(func(binary.Instruction) error { return nil })
		var bad *binary.Error
		require.ErrorAs(t, err, &bad, "%x", code)
		assert.GreaterOrEqual(t, bad.Offset, 100)
	}
}

// The runtime takes what follows 0xfd for one byte, and reads types of later
// versions where an instruction may stand: a module in which the two of us see
// different instructions must not pass.
func TestNoInstructionIsReadOtherwiseThanTheRuntimeReadsIt(t *testing.T) {
	for name, code := range map[string][]byte{
		"v128.const_written_long": append([]byte{0xfd, 0x8c, 0x00}, make([]byte, 16)...), // to the runtime: i16x8.shr_s, unreachable, …
		"number_in_three_bytes":   {0xfd, 0x80, 0x81, 0x00},
		"relaxed_is_a_block":      {0xfd, 0x80, 0x02, 0x40},
		"block_of_a_reference":    {0x02, 0x63, 0x70, 0x0b}, // to us: a block of type -29, then i32.rem_u
		"select_of_a_reference":   {0x1c, 1, 0x63, 0x70},
		"select_of_two":           {0x1c, 2, 0x7f, 0x7f},
		"null_of_a_type":          {0xd0, 0x00},
		"memory.grow_of_two":      {0x40, 0x80, 0x00},
		"memory.copy_of_two":      {0xfc, 10, 0x80, 0x00, 0x00},
		"bulk_number_too_high":    {0xfc, 0x88, 0x80, 0x04, 0, 0}, // 65544: 8, were it cut off
	} {
		t.Run(name, func(t *testing.T) {
			err := binary.Body{Code: code}.Instructions(func(binary.Instruction) error { return nil })
			var bad *binary.Error
			require.ErrorAs(t, err, &bad)
			assert.Less(t, bad.Offset, 3)
		})
	}
	require.NoError(t, binary.Body{Code: []byte{0xfd, 0x8c, 0x01}}.Instructions(func(i binary.Instruction) error {
		assert.Equal(t, 3, i.End, "0x8c in two bytes, as every compiler writes it")
		return nil
	}))
}

func TestInstructionsOfLaterVersionsNameTheirFeature(t *testing.T) {
	for feature, code := range map[binary.Feature][]byte{
		binary.FeatureThreads:            {0xfe, 0x03, 0},
		binary.FeatureTailCalls:          {0x12, 0},
		binary.FeatureExceptions:         {0x1f, 0x40, 0},
		binary.FeatureGC:                 {0xfb, 0},
		binary.FeatureFunctionReferences: {0x14, 0},
		binary.FeatureMultiMemory:        {0x28, 0x42, 0, 0},
		binary.FeatureRelaxedSIMD:        {0xfd, 0x80, 0x02},
	} {
		err := binary.Body{Code: code}.Instructions(func(binary.Instruction) error { return nil })
		var bad *binary.Error
		require.ErrorAs(t, err, &bad)
		assert.Equal(t, feature, bad.Feature, "%x", code)
	}
}

func module(bytes ...byte) []byte { return append([]byte("\x00asm\x01\x00\x00\x00"), bytes...) }

// Nothing that can be uploaded may do more than be refused.
func FuzzParse(f *testing.F) {
	wasm := forged()
	for n := range wasm {
		f.Add(wasm[:n])
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := binary.Parse(wasm)
		if err != nil {
			assert.IsType(t, &binary.Error{}, err)
			return
		}
		for _, b := range m.Bodies {
			assert.LessOrEqual(t, b.Offset+len(b.Code), len(wasm))
			_ = b.Instructions(func(i binary.Instruction) error { // it may be nonsense
				assert.Less(t, i.Start, i.End)
				return nil
			})
		}
		again, err := binary.Parse(binary.Encode(m.Sections))
		assert.NoError(t, err)
		assert.Len(t, again.Sections, len(m.Sections))
	})
}
