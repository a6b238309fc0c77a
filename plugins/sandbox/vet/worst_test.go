package vet_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/rewrite"
	"thresher/plugins/sandbox/vet"
)

// worst are functions that the compiler has the most to do with, of a size n.
var worst = map[string]func(n int) forged{
	"indirect_calls": func(n int) forged { return code(rep(n, get(0), []byte{0x11, 0, 0})) },
	"calls_with_results": func(n int) forged {
		m := code(rep(n, []byte{0x10, 0}), []byte{0})
		m.types[0] = funcType(nil, rep(16, []byte{i32}))
		return m
	},
	"nested_ifs": func(n int) forged { return code(rep(n, get(0), ifVoid), rep(n, end)) },
	"branches":   func(n int) forged { return code(blockVoid, rep(n, get(0), brIf0), end) },
	"copies":     func(n int) forged { return code(rep(n, get(0), get(0), get(0), []byte{0xfc, 10, 0, 0})) },
	"table_gets": func(n int) forged { return code(rep(n, get(0), []byte{0x25, 0, 0x1a})) },
	"loads": func(n int) forged {
		return code(rep(n, get(0), []byte{0x28, 2, 0}, set(0)), rep(800, get(0), ifVoid), rep(800, end))
	},
	"truncations": func(n int) forged { return code(rep(n, []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0x1a})) },
	"ifs_with_500_locals": func(n int) forged {
		return with500(n, func(i int) []byte { return cat(get(0), ifVoid, change(i), end) })
	},
	"loops_with_500_locals": func(n int) forged {
		return with500(n, func(i int) []byte { return cat(loopVoid, change(i), get(i%500), brIf0, end) })
	},
	"ways_back_with_500_locals": func(n int) forged { // as many to a loop as pay each for itself
		return with500(n, func(i int) []byte {
			ways := []byte(nil)
			for way := 64 * i; way < 64*(i+1); way++ {
				ways = append(ways, cat(change(way), get(way%500), brIf0)...)
			}
			return cat(loopVoid, ways, end)
		})
	},
	"switch_with_500_locals": func(n int) forged { // as Go writes a function, with more locals
		targets, cases := []byte(nil), []byte(nil)
		for i := range n {
			targets = append(targets, uleb(i)...)
			cases = append(cases, cat(end, change(i))...)
		}
		m := code(loopVoid, rep(n+1, blockVoid), get(0), []byte{0x0e}, uleb(n), targets, uleb(n), cases, end, get(0), brIf0, end)
		m.locals = [][]byte{{0xf4, 0x03, i32}}
		return m
	},
}

func with500(n int, each func(i int) []byte) forged {
	var all []byte
	for i := range n {
		all = append(all, each(i)...)
	}
	m := code(all)
	m.locals = [][]byte{{0xf4, 0x03, i32}}
	return m
}

// change computes one local from another.
func change(i int) []byte { return cat(get(i%500), []byte{0x41, 1, 0x6a}, set(i*7%500)) }

// The longest that the compiler takes for one function that passes, rewritten as the
// sandbox does it. docs/performance.md states it.
func BenchmarkWorstFunction(b *testing.B) {
	ctx := context.Background()
	for name, build := range worst {
		b.Run(name, func(b *testing.B) {
			low, high := 0, 1<<17
			for low+1 < high {
				if middle := (low + high) / 2; passes(build(middle)) {
					low = middle
				} else {
					high = middle
				}
			}
			report, err := vet.Check(build(low).bytes(), anything(vet.Limits{}))
			require.NoError(b, err)
			rewritten, err := rewrite.Rewrite(report.Module)
			require.NoError(b, err)
			b.ReportMetric(float64(len(report.Module.Bodies[0].Code)), "body-bytes")
			b.ReportAllocs()
			for b.Loop() {
				if err := sandbox.Compile(ctx, rewritten.Wasm, ""); err != nil {
					b.Fatal(err) // not with the module itself, which is large
				}
			}
		})
	}
}

func passes(m forged) bool {
	_, err := vet.Check(m.bytes(), anything(vet.Limits{}))
	return err == nil
}
