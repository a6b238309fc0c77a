package vet_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sandbox/vet"
)

// dense are modules of many small entries, of about n bytes: what makes the most of
// a module's bytes.
var dense = map[string]func(n int) forged{
	"types":    func(n int) forged { return forged{types: list(n/3, funcType(nil, nil)...)} },
	"elements": func(n int) forged { return forged{elements: [][]byte{cat([]byte{1, 0}, sized(make([]byte, n)))}} },
	"segments": func(n int) forged { return forged{elements: list(n/3, 1, 0, 0)} },
	"data":     func(n int) forged { return forged{data: list(n/2, 1, 0)} },
	"exports":  func(n int) forged { return forged{exports: list(n/3, 0, 0, 0)} },
	"globals":  func(n int) forged { return forged{globals: list(n/5, i32, 0, 0x41, 0, 0x0b)} },
	"customs":  func(n int) forged { return forged{custom: list(n/3, 0)} },
	"locals":   func(n int) forged { return forged{locals: list(n/2, 0, i32)} },
	"code":     func(n int) forged { return code(rep(n/6, get(0), ifVoid, end, []byte{1})) },
	"labels":   func(n int) forged { return code(blockVoid, get(0), []byte{0x0e}, uleb(n), make([]byte, n+1), end) },
}

func unlimited(t testing.TB) (l vet.Limits) {
	for _, name := range vet.Names() {
		require.NoError(t, l.Set(name+"=-1"))
	}
	return l
}

// allocated is how many bytes a check allocates.
func allocated(wasm []byte, l vet.Limits) (bytes uint64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = vet.Check(wasm, anything(l))
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

// Even without limits a check allocates no more than a multiple of the module, and
// with them no more than they allow.
func TestMemoryIsBoundByTheModulesSizeAndByTheLimits(t *testing.T) {
	size := 8 << 20
	if testing.Short() {
		size = 1 << 20
	}
	for name, build := range dense {
		wasm := build(256 << 10).bytes()
		bytes, err := allocated(wasm, unlimited(t))
		require.NoError(t, err, name)
		t.Logf("%s: %d bytes for each of the module's", name, bytes/uint64(len(wasm)))
		assert.Less(t, bytes, uint64(200*len(wasm)), name)
		bytes, err = allocated(build(size).bytes(), vet.Limits{})
		require.Error(t, err, name)
		assert.Less(t, bytes, uint64(64<<20), name)
	}
}

// The time for a byte is the same for small and for large modules: compare MB/s.
func BenchmarkCheck(b *testing.B) {
	for name, build := range dense {
		for _, size := range []int{1 << 16, 1 << 20, 1 << 24} {
			wasm := build(size).bytes()
			b.Run(name+"/"+[]string{16: "64KiB", 20: "1MiB", 24: "16MiB"}[log2(size)], func(b *testing.B) {
				b.SetBytes(int64(len(wasm)))
				limits := unlimited(b)
				for b.Loop() {
					_, _ = vet.Check(wasm, anything(limits))
				}
			})
		}
	}
}

func log2(n int) (l int) {
	for ; n > 1; n /= 2 {
		l++
	}
	return l
}
