package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestOperationsAreThoseOfTheirRows(t *testing.T) {
	want := map[Operation]func(x, y float64) float64{
		Add: func(x, y float64) float64 { return x + y },
		Sub: func(x, y float64) float64 { return x - y },
		Mul: func(x, y float64) float64 { return x * y },
		Ratio: func(x, y float64) float64 {
			if x == 0 && y == 0 {
				return 0
			}
			return x / y
		},
		Sqrt: func(x, _ float64) float64 { return math.Sqrt(x) },
		Abs:  func(x, _ float64) float64 { return math.Abs(x) },
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		x, y := make([]float64, rapid.IntRange(0, 100).Draw(t, "rows")), make([]float64, 0)
		for i := range x {
			x[i], y = anyBits(r), append(y, anyBits(r))
		}
		op := Operation(rapid.IntRange(int(Add), int(Abs)).Draw(t, "op"))
		before, out := append([]float64{}, x...), make([]float64, len(x))
		if rapid.Bool().Draw(t, "in place") {
			out = x
		}
		if err := Elementwise(op, x, y, out, nil); err != nil {
			t.Fatal(err)
		}
		for i, v := range out {
			if w := canonical(want[op](before[i], y[i])); math.Float64bits(v) != math.Float64bits(w) {
				t.Fatalf("row %d: %v, want %v", i, v, w)
			}
		}
	})
}

func TestOperationsThatThereAreNotAreRefused(t *testing.T) {
	x := []float64{1}
	assert.ErrorIs(t, Elementwise(Abs+1, x, x, x, nil), ErrRange)
	assert.ErrorIs(t, Elementwise(-1, x, x, x, nil), ErrRange)
	assert.ErrorIs(t, Elementwise(Add, x, nil, x, nil), ErrLengths)
	assert.ErrorIs(t, Elementwise(Add, nil, x, x, nil), ErrLengths)
}
