package rewrite_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
)

// What is in a loop is paid each time that it is gone back to, whichever the way, and
// once with all that is in the function, however little is given at a tick.
func TestEveryTimeRoundIsPaid(t *testing.T) {
	t.Parallel()
	const outside = 21                                                                   // a function that costs less may be free
	count := hostile.Code(hostile.LocalGet0, hostile.I32Const(1), []byte{0x6b, 0x22, 0}) // leaves 0 the last time
	loop := func(blockType byte, body ...[]byte) []byte {
		return hostile.Code([]byte{0x03, blockType}, hostile.Code(body...), []byte{0x0b})
	}
	many := hostile.Code(slices.Repeat([][]byte{hostile.I32Const(0), {0x0d, 0}}, 70)...)
	const typeAlloc = 1 // i32 → i32
	zero := hostile.I32Const(0)
	load := hostile.Code(zero, []byte{0x28, 2, 0})
	goTo := func(part int32, loop byte) []byte {
		return hostile.Code(hostile.I32Const(part), []byte{0x21, 0, 0x0c, loop})
	}
	parts := hostile.Code(zero, hostile.LocalGet0, []byte{0x36, 2, 0}, zero, []byte{0x21, 0}, // the rounds to memory, local 0 says the part
		loop(0x40, []byte{0x02, 0x40, 0x02, 0x40, 0x02, 0x40}, hostile.LocalGet0, []byte{0x0e, 2, 0, 1, 2, 0x0b},
			goTo(1, 2), []byte{0x0b},
			zero, load, hostile.I32Const(1), []byte{0x6b, 0x36, 2, 0}, load, []byte{0x04, 0x40}, goTo(1, 2), []byte{0x0b, 0x0b}))
	for name, c := range map[string]struct {
		code  []byte
		round int64 // what one costs
		more  int64 // is outside of the loop
	}{
		"br_if":      {code: loop(0x40, count, []byte{0x0d, 0}), round: 6},
		"br":         {code: loop(0x40, count, []byte{0x04, 0x40, 0x0c, 1, 0x0b}), round: 7},
		"from_afar":  {code: loop(0x40, count, []byte{0x04, 0x40, 0x03, 0x40, 0x0c, 2, 0x0b, 0x0b}), round: 8},
		"many":       {code: loop(0x40, many, count, []byte{0x0d, 0}), round: 146},
		"br_table":   {code: loop(0x40, count, hostile.Drop, []byte{0x02, 0x40}, hostile.LocalGet0, []byte{0x45, 0x0e, 1, 1, 0, 0x0b}), round: 12},
		"a part":     {code: parts, round: 12, more: 14},
		"parameters": {code: hostile.Code(hostile.LocalGet0, loop(typeAlloc, hostile.Drop, count, hostile.LocalGet0, []byte{0x0d, 0}), hostile.Drop), round: 8, more: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			padded := hostile.Code(slices.Repeat([][]byte{hostile.I32Const(0), hostile.Drop}, outside/2)...)
			padded = hostile.Code(padded, c.code, hostile.I32Const(0))
			for _, f := range []form{metered, starved, lifted} {
				assert.Equal(t, outside+c.more+c.round, spentOn(t, f, padded, 1), f.name)
				assert.Equal(t, outside+c.more+10*c.round, spentOn(t, f, padded, 10), f.name)
			}
		})
	}
}

// A table that cannot grow as much as is asked for is charged for what it could at most.
func TestATableThatCannotGrowCostsNoMoreThanOneThatCan(t *testing.T) {
	t.Parallel()
	grow := hostile.Code([]byte{0xd0, 0x70}, hostile.I32Const(-1), []byte{0xfc, 15, 0, 0x41, 1, 0x6a}) // -1 + 1
	w := newWorld(starved)
	defer w.close()
	guest, err := w.instantiate(hostile.Module{Table: 1, Run: grow}.Encode(), "")
	require.NoError(t, err)
	assert.Equal(t, "0x0 ", w.outcome(guest, "thresher_run", []uint64{0}))
	assert.Less(t, w.spentBy(guest), int64(100_000))
}

func spentOn(t *testing.T, f form, code []byte, n uint64) int64 {
	t.Helper()
	w := newWorld(f)
	defer w.close()
	guest, err := w.instantiate(hostile.Module{Run: code}.Encode(), "")
	require.NoError(t, err)
	before := w.spentBy(guest)
	assert.Equal(t, "0x0 ", w.outcome(guest, "thresher_run", []uint64{n}))
	return w.spentBy(guest) - before
}
