package stats

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSmallCasesByHand(t *testing.T) {
	x := []float64{1, 2, 3, 4}
	assert.Equal(t, 2.5, Mean(x))
	assert.InDelta(t, 1.118033988749895, Std(x, 0), 1e-15)
	assert.InDelta(t, 1.2909944487358056, Std(x, 1), 1e-15)
	assert.Equal(t, 1.75, Quantile(x, 0.25))
	assert.Equal(t, 4.0, Quantile(x, 1))
}

func TestTooLittleDataIsNaN(t *testing.T) {
	assert.True(t, math.IsNaN(Mean(nil)))
	assert.True(t, math.IsNaN(Std([]float64{1}, 1)))
	assert.True(t, math.IsNaN(Quantile(nil, 0.5)))
	assert.Empty(t, Histogram(nil))
}

func TestAHistogramLosesNoValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64(), 1, 200).Draw(t, "x")
		sorted := append([]float64{}, x...)
		slices.Sort(sorted)
		finite, counted := 0, 0
		for _, v := range x {
			if !math.IsInf(v, 0) && !math.IsNaN(v) {
				finite++
			}
		}
		for _, b := range Histogram(sorted) {
			counted += b.Count
			if b.From > b.To {
				t.Fatalf("bin %v", b)
			}
		}
		if counted != finite {
			t.Fatalf("%d of %d counted", counted, finite)
		}
	})
}

func TestWhatJSONHasNoNumberForIsNull(t *testing.T) {
	data, err := json.Marshal([]Number{1.5, Number(math.NaN()), Number(math.Inf(-1))})
	require.NoError(t, err)
	assert.Equal(t, "[1.5,null,null]", string(data))
}

func TestABinHoldsWhatLiesBetweenItsEdges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 2, 300).Draw(t, "x")
		slices.Sort(x)
		bins := Histogram(append(append([]float64{math.Inf(-1)}, x...), math.Inf(1), math.NaN()))
		low, high := x[0], x[len(x)-1]
		if low == high {
			return
		}
		want := make([]int, len(bins))
		for _, v := range x {
			want[min(int((v/2-low/2)/(high/2-low/2)*float64(len(bins))), len(bins)-1)]++
		}
		for i, b := range bins {
			if b.Count != want[i] {
				t.Fatalf("bin %d has %d, want %d", i, b.Count, want[i])
			}
		}
	})
}
