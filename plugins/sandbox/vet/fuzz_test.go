package vet_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/vet"
)

// compileTime is far more than any module that passes takes to compile: it only
// tells a hang.
const compileTime = time.Minute

// What strangers send is refused with a code that is documented, or the runtime
// compiles it or refuses it in turn: nothing panics, nothing hangs.
func FuzzVet(f *testing.F) {
	codes := map[string]bool{}
	for _, c := range vet.Codes() {
		codes[c] = true
	}
	for _, m := range []forged{
		code(get(0), ifVoid, loopVoid, get(1), brIf0, end, end),
		code(blockVoid, get(0), []byte{0x0e, 2, 0, 0, 1}, end),
		code(get(0), get(0), get(0), []byte{0xfc, 10, 0, 0}),
		code([]byte{0x41, 0, 0xfd, 0x0f, 0x1a}, []byte{0xd0, 0x70, 0xd1, 0x1a}),
		{tables: [][]byte{{0x70, 1, 1, 2}}, elements: [][]byte{{0, 0x41, 0, 0x0b, 1, 0}, {5, 0x70, 1, 0xd2, 0, 0x0b}}, globals: [][]byte{{i32, 1, 0x41, 0, 0x0b}}},
		{count: []byte{1}, data: [][]byte{{1, 1, 'x'}}, custom: [][]byte{cat(text("name"), []byte{1}, sized(vec(cat(uleb(0), text("f")))))}},
	} {
		f.Add(m.bytes())
	}
	f.Add(hostile.Module{}.Encode())
	limits := vet.Limits{BodyBytes: 4096, Spans: 1 << 14, Walks: 1 << 14, Bounds: 1 << 14, Blocks: 1024, Effort: 8192, MemoryMin: 16, Functions: 64}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		_, err := vet.Check(wasm, anything(limits))
		if err != nil {
			var r *vet.Refusal
			require.ErrorAs(t, err, &r)
			assert.True(t, codes[r.Code], r.Code)
			assert.LessOrEqual(t, r.Offset, len(wasm))
			assert.NotEmpty(t, r.Error())
			return
		}
		hang := time.AfterFunc(compileTime, func() { panic("a module that passed does not compile in time") })
		defer hang.Stop()
		_ = sandbox.Compile(context.Background(), wasm, "") // it may be invalid: types are the runtime's to check
	})
}
