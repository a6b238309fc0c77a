package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/rewrite"
)

// A function that needs more than all of the stack is never entered, however much more it is:
// what it needs does not reach into the gas, which shares a global with the stack.
func TestAFunctionThatNeedsMoreThanAllOfTheStackIsNotEntered(t *testing.T) {
	t.Parallel()
	const nested = 1000
	for _, locals := range []int{1400, 5600} { // about once and four times the stack
		t.Run(fmt.Sprint(locals), func(t *testing.T) {
			t.Parallel()
			body := slices.Concat(
				slices.Repeat([]byte{0x03, 0x40}, nested),
				eachLocal(locals, hostile.I32Const(1), 0x21, nil),
				slices.Repeat([]byte{0x0b}, nested),
				eachLocal(locals, nil, 0x20, hostile.Drop),
				hostile.LocalGet0, hostile.Call(hostile.Self(0)))
			w := newWorld(metered)
			defer w.close()
			guest, err := w.instantiate(hostile.Module{Locals: uint32(locals), Run: body}.Encode(), "")
			require.NoError(t, err)
			guest.ExportedGlobal(rewrite.Global).(api.MutableGlobal).Set(uint64(rewrite.NewLeft(1<<20, 0))) // else it would be found out on the way to the tick
			assert.Equal(t, errDeep.Error(), w.outcome(guest, "thresher_run", []uint64{0}))
			assert.Equal(t, uint64(rewrite.StackBytes), leftTo(guest).Stack())
		})
	}
}

// eachLocal does something with all locals but the first.
func eachLocal(n int, before []byte, op byte, after []byte) (code []byte) {
	for i := 1; i <= n; i++ {
		code = slices.Concat(code, before, binary.AppendUvarint([]byte{op}, uint64(i)), after)
	}
	return code
}

// Gas and stack in one number do not disturb each other, with any sign and size that they
// may have.
func TestWhatIsLeftHoldsGasAndStack(t *testing.T) {
	t.Parallel()
	for _, gas := range []int64{0, 1, -1, 1 << 20, -1 << 20, 1<<38 - 1, 1 - 1<<38} {
		for _, stack := range []uint64{0, 1, 96, rewrite.StackBytes - 1, rewrite.StackBytes} {
			left := rewrite.NewLeft(gas, stack)
			assert.Equal(t, gas, left.Gas())
			assert.Equal(t, stack, left.Stack())
			assert.Equal(t, rewrite.NewLeft(gas-5, stack-stack/2), left-rewrite.NewLeft(5, stack/2))
		}
	}
}
