package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func rolled(x []float64, window int) (means, variances []float64, err error) {
	means, variances = make([]float64, len(x)), make([]float64, len(x))
	room := make([]float64, 2*(min(window, max(len(x), 1))+1))
	for i := range room {
		room[i] = nan // what was there does not matter
	}
	return means, variances, Rolling(x, window, means, variances, room, nil)
}

// The values are of a size that differs far from their spread, or stand still for a
// while.
func TestRollingIsTheMeanAndVarianceOfEachWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		far := rapid.SampledFrom([]float64{0, 1, 1e6}).Draw(t, "far")
		spread := rapid.SampledFrom([]float64{1e-3, 1, 1e3}).Draw(t, "spread")
		x := rapid.SliceOfN(rapid.Float64Range(0.1, 1), 0, 200).Draw(t, "x")
		still := rapid.IntRange(0, len(x)).Draw(t, "still")
		for i := range x {
			x[i] = far + spread*x[min(i, still)]
		}
		window := rapid.IntRange(1, 250).Draw(t, "window")
		means, variances, err := rolled(x, window)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x {
			mean, variance, n, _ := Variance(Of(x[max(0, i+1-window):i+1]), 1, nil)
			if math.Abs(means[i]-mean) > 1e-12*mean {
				t.Fatalf("mean at %d: %v, want %v", i, means[i], mean)
			}
			room := 1e-10*variance + 1e-28*mean*mean // of the mean's own rounding
			if n < 2 && variances[i] == variances[i] || n > 1 && !(math.Abs(variances[i]-variance) <= room) {
				t.Fatalf("variance at %d: %v, want %v", i, variances[i], variance)
			}
		}
	})
}

func TestWhatHasLeftAWindowLeavesNothingBehind(t *testing.T) {
	means, variances, err := rolled([]float64{math.Inf(1), 1e300, 1, 2, 2, 2, 2}, 2)
	assert.NoError(t, err)
	assert.Equal(t, []float64{1.5, 2, 2, 2}, means[3:])
	assert.Equal(t, []float64{0.5, 0, 0, 0}, variances[3:])
}

func TestAWindowNeedsARowAndRoom(t *testing.T) {
	x := make([]float64, 3)
	assert.ErrorIs(t, Rolling(x, 0, x, x, x, nil), ErrRange)
	assert.ErrorIs(t, Rolling(x, 2, make([]float64, 3), make([]float64, 3), make([]float64, 5), nil), ErrLengths)
	assert.ErrorIs(t, Rolling(x, 2, make([]float64, 3), make([]float64, 2), make([]float64, 6), nil), ErrLengths)
}
