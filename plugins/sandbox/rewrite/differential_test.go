package rewrite_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/binary"
)

// Random modules do the same however they are rewritten: the same results and traps,
// the same memory and globals after each call. They spend the same, however often they
// are told to wait for more.
func FuzzDifferential(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(choices(seed))
	}
	f.Fuzz(func(t *testing.T, choices []byte) { differ(t, hostile.Generate(choices)) })
}

func choices(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]byte, 200+random.IntN(1500))
	for i := range all {
		all[i] = byte(random.Uint32())
	}
	return all
}

func differ(t *testing.T, g hostile.Generated) {
	m, err := binary.Parse(g.Wasm)
	require.NoError(t, err)
	var want []string
	var spent []int64
	for _, f := range []form{untouched, metered, starved, lifted} {
		w := newWorld(f)
		got, gas := w.playGenerated(m, g)
		w.close()
		if want == nil {
			want = got
			require.NotRegexp(t, "^invalid", got[0], "the generator makes modules that are valid")
		}
		require.Equal(t, want, got, f.name)
		if f.how != nil {
			spent = append(spent, gas)
			require.Equal(t, spent[0], gas, f.name)
		}
	}
}

func (w *world) playGenerated(m *binary.Module, g hostile.Generated) (all []string, spent int64) {
	guest, err := w.instantiate(g.Wasm, "")
	if err != nil { // the start function traps
		return []string{trap(err)}, 0
	}
	fuel, shape := guest.ExportedGlobal("fuel").(api.MutableGlobal), shapeOf(m)
	for range 2 {
		for i, f := range g.Exports {
			fuel.Set(60)
			args := make([]uint64, len(f.Params)+bytes.Count(f.Params, []byte{hostile.V128})) // a vector is two
			for n := range args {
				args[n] = uint64(i * (n + 1) * 77)
			}
			all = append(all, f.Name+": "+w.outcome(guest, f.Name, args), shape.state(guest))
		}
	}
	if w.form.how != nil {
		spent = w.spentBy(guest)
	}
	return all, spent
}
