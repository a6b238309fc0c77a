package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// rows of the benchmarks: 8 MB, more than a core's own caches hold.
const benchRows = 1 << 20

func benchFloats() []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, benchRows)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func BenchmarkKernels(b *testing.B) {
	x, y := benchFloats(), benchFloats()
	out, room, rows := make([]float64, benchRows), make([]float64, benchRows), make([]uint32, benchRows)
	keys, ints, sortedInts := make([]int64, benchRows), make([]int64, benchRows), make([]int64, benchRows)
	counts := make([]int64, 1000)
	for i := range keys {
		ints[i] = int64(x[i] * 1e9)
		keys[i] = ((ints[i] % 1000) + 1000) % 1000
	}
	bitmap := make([]byte, benchRows/8)
	for i := range bitmap {
		bitmap[i] = byte(keys[i])
	}
	v := Of(x)
	for _, k := range []struct {
		name string
		call func()
	}{
		{"sum", func() { Sum(v, nil) }},
		{"sum_with_nulls", func() { Sum(Vector[float64]{{Values: x, Validity: bitmap}}, nil) }},
		{"sum_plain_loop", func() {
			sum := 0.0
			for _, v := range x {
				sum += v
			}
			out[0] = sum
		}},
		{"sum_ints", func() { SumInts(Of(ints), nil) }},
		{"variance", func() { Variance(v, 1, nil) }},
		{"minmax", func() { MinMax(v, nil) }},
		{"minmax_ints", func() { MinMaxInts(Of(ints), nil) }},
		{"dot", func() { Dot(v, Of(y), nil) }},
		{"histogram", func() { Histogram(v, -4, 4, counts[:100], nil) }},
		{"sort", func() { Sort(v, out, nil) }},
		{"sort_sorted", func() { Sort(Of(out), out, nil) }},
		{"sort_ints", func() { Sort(Of(ints), sortedInts, nil) }},
		{"sort_slices", func() { copy(room, x); slices.Sort(room) }},
		{"argsort", func() { Argsort(v, rows, room, nil) }},
		{"quartiles", func() { Quantiles(v, []float64{0.25, 0.5, 0.75}, out[:3], room, nil) }},
		{"cumsum", func() { Cumsum(v, out, nil) }},
		{"group", func() { Group(Of(keys), 0, v, counts, out[:1000], room[:1000], nil) }},
		{"linreg", func() { Linreg(v, Of(y), nil) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.call()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/element")
		})
	}
}
