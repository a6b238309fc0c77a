package kernel

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// column is a vector as a test knows it: whole, with a flag for each row.
type column[T Element] struct {
	values []T
	valid  []bool
	pieces Vector[T]
}

// dense returns the values that are not null.
func (c column[T]) dense() []T {
	out := []T{}
	for i, v := range c.values {
		if c.valid[i] {
			out = append(out, v)
		}
	}
	return out
}

// draw makes a column of up to a few blocks, cut into pieces anywhere, with bitmaps
// that begin anywhere.
func draw[T Element](t *rapid.T, name string, rows int, value func(*rand.Rand) T) column[T] {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name+" seed"), 0))
	nulls := rapid.SampledFrom([]int{0, 0, 2, 10}).Draw(t, name+" nulls")
	var c column[T]
	for range rows {
		c.values = append(c.values, value(r))
		c.valid = append(c.valid, nulls == 0 || r.IntN(nulls) != 0)
	}
	for at := 0; at < rows; {
		n := min(rapid.SampledFrom([]int{0, 1, 7, 8, 1000, 1024, 2048, 5000}).Draw(t, name+" piece"), rows-at)
		p := Piece[T]{Values: slices.Clone(c.values[at : at+n])}
		if slices.Contains(c.valid[at:at+n], false) || r.IntN(4) == 0 {
			p.Offset = r.IntN(20)
			p.Validity = make([]byte, (p.Offset+n+7)/8)
			for i := range p.Validity {
				p.Validity[i] = byte(r.Uint32()) // what is outside does not matter
			}
			for i := range n {
				bit := byte(1) << ((p.Offset + i) % 8)
				p.Validity[(p.Offset+i)/8] &^= bit
				if c.valid[at+i] {
					p.Validity[(p.Offset+i)/8] |= bit
				}
			}
		}
		c.pieces = append(c.pieces, p)
		at += n
	}
	return c
}

func drawRows(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 5000)).Draw(t, "rows")
}

// floats of a kind that rapid draws: they differ in what they break.
func floatsOf(t *rapid.T) func(*rand.Rand) float64 {
	return map[string]func(*rand.Rand) float64{
		"normal": func(r *rand.Rand) float64 { return r.NormFloat64() },
		"far":    func(r *rand.Rand) float64 { return 1e9 + r.Float64() },
		"few":    func(r *rand.Rand) float64 { return float64(r.IntN(5)) - 2 },
		"wide":   func(r *rand.Rand) float64 { return math.Ldexp(r.NormFloat64(), r.IntN(600)-300) },
	}[rapid.SampledFrom([]string{"normal", "far", "few", "wide"}).Draw(t, "kind")]
}

// anyBits is every float: infinities, zeros, subnormals, and every NaN.
func anyBits(r *rand.Rand) float64 {
	if r.IntN(4) == 0 {
		return []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff8000000000007), 5e-324}[r.IntN(7)]
	}
	return math.Float64frombits(r.Uint64())
}

func anyInt(r *rand.Rand) int64 { return int64(r.Uint64()) >> r.IntN(64) }

func bitsOf(x []float64) []uint64 { return slices.Clone(keysOf(x)) }

func exactSum(x []float64) (sum, size float64) {
	exact, abs := new(big.Float).SetPrec(2200), new(big.Float).SetPrec(2200)
	for _, v := range x {
		exact.Add(exact, big.NewFloat(v))
		abs.Add(abs, big.NewFloat(math.Abs(v)))
	}
	sum, _ = exact.Float64()
	size, _ = abs.Float64()
	return sum, size
}

func TestSumsAreNearlyExactWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t, "x", drawRows(t), floatsOf(t))
		x := c.dense()
		want, size := exactSum(x)
		got, n, err := Sum(c.pieces, nil)
		if err != nil || n != len(x) || math.Abs(got-want) > 130*0x1p-53*size {
			t.Fatalf("sum %v of %d: want %v of %d: %v", got, n, want, len(x), err)
		}
		if one, _, _ := Sum(Of(x), nil); one != got {
			t.Fatalf("in one piece %v, in %d %v", one, len(c.pieces), got)
		}
	})
}

func TestIntegerSumsAreExactOrSayThatTheyAreNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t, "x", drawRows(t), anyInt)
		want := new(big.Int)
		for _, v := range c.dense() {
			want.Add(want, big.NewInt(v))
		}
		got, n, err := SumInts(c.pieces, nil)
		switch {
		case n != len(c.dense()):
			t.Fatalf("%d of %d", n, len(c.dense()))
		case want.IsInt64() && (err != nil || got != want.Int64()):
			t.Fatalf("got %d, %v, want %d", got, err, want)
		case !want.IsInt64() && !errors.Is(err, ErrOverflow):
			t.Fatalf("got %d, %v for %d", got, err, want)
		}
	})
}

func TestDotAndLineAndVarianceAgreeWithTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		x := draw(t, "x", rows, func(r *rand.Rand) float64 { return 100 + r.NormFloat64() })
		y := draw(t, "y", rows, func(r *rand.Rand) int64 { return r.Int64N(2001) - 1000 })
		var xs, ys, products []float64
		for i := range rows {
			if x.valid[i] && y.valid[i] {
				xs, ys = append(xs, x.values[i]), append(ys, float64(y.values[i]))
				products = append(products, x.values[i]*float64(y.values[i]))
			}
		}
		want, size := exactSum(products)
		got, n, err := Dot(x.pieces, y.pieces, nil)
		if err != nil || n != len(xs) || math.Abs(got-want) > 140*0x1p-53*size {
			t.Fatalf("dot %v of %d, want %v of %d: %v", got, n, want, len(xs), err)
		}
		wantMean, wantVariance, xy := naiveMoments(xs, ys)
		if len(xs) < 2 {
			return
		}
		fit, n, err := Linreg(x.pieces, y.pieces, nil)
		if slope := xy / wantVariance; err != nil || n != len(xs) || !near(fit.Slope, slope, 1e-9*(1+math.Abs(slope))) {
			t.Fatalf("slope %v of %d, want %v: %v", fit, n, slope, err)
		}
		mean, variance, n, err := Variance(Of(xs), 1, nil)
		if err != nil || n != len(xs) || !near(mean, wantMean, 1e-11) || !near(variance, wantVariance/float64(n-1), 1e-9) {
			t.Fatalf("mean %v, variance %v of %d: %v", mean, variance, n, err)
		}
	})
}

func near(a, b, by float64) bool { return math.Abs(a-b) <= by || a != a && b != b }

func naiveMoments(x, y []float64) (mean, squares, products float64) {
	var sx, sy float64
	for i := range x {
		sx += x[i]
		sy += y[i]
	}
	mx, my := sx/float64(len(x)), sy/float64(len(x))
	for i := range x {
		squares += (x[i] - mx) * (x[i] - mx)
		products += (x[i] - mx) * (y[i] - my)
	}
	return mx, squares, products
}

func TestMinMaxAgreesWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		x := draw(t, "x", rows, anyBits)
		ints := draw(t, "ints", rows, anyInt)
		low, high, n, err := MinMax(x.pieces, nil)
		if len(x.dense()) > 0 {
			if l, h := slices.Min(x.dense()), slices.Max(x.dense()); err != nil || n != len(x.dense()) || !same(low, l) || !same(high, h) {
				t.Fatalf("got %v, %v of %d, want %v, %v: %v", low, high, n, l, h, err)
			}
		} else if n != 0 || low == low || high == high {
			t.Fatalf("of nothing: %v, %v", low, high)
		}
		l, h, n, err := MinMaxInts(ints.pieces, nil)
		if err != nil || n != len(ints.dense()) || n > 0 && (l != slices.Min(ints.dense()) || h != slices.Max(ints.dense())) || n == 0 && (l != 0 || h != 0) {
			t.Fatalf("ints: got %v, %v of %d: %v", l, h, n, err)
		}
	})
}

func same(a, b float64) bool { return a == b || a != a && b != b }

// less is the order that Sort promises.
func less(a, b float64) int {
	switch {
	case a != a || b != b:
		return -cmp.Compare(a, b) // NaN last
	case a == 0 && b == 0:
		return -cmp.Compare(boolInt(math.Signbit(a)), boolInt(math.Signbit(b)))
	}
	return cmp.Compare(a, b)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSortAndArgsortAgreeWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 3*local)).Draw(t, "rows")
		value := anyBits
		if rapid.Bool().Draw(t, "tame") {
			value = floatsOf(t)
		}
		checkSort(t, draw(t, "floats", rows, value), less)
		few := rapid.Uint64Range(0, 63).Draw(t, "shift")
		checkSort(t, draw(t, "ints", rows, func(r *rand.Rand) int64 { return int64(r.Uint64()) >> few }), cmp.Compare[int64])
	})
}

func checkSort[T Element](t *rapid.T, c column[T], order func(a, b T) int) {
	want := c.dense()
	for i, v := range want {
		if v != v {
			want[i] = T(nan)
		}
	}
	slices.SortStableFunc(want, order)
	out := make([]T, len(c.values))
	n, err := Sort(c.pieces, out, nil)
	if err != nil || n != len(want) || !slices.Equal(keysOf(out[:n]), keysOf(want)) {
		t.Fatalf("sorted %d: %v", n, err)
	}
	wantRows := []uint32{}
	for i := range c.values {
		if c.valid[i] {
			wantRows = append(wantRows, uint32(i))
		}
	}
	sort.SliceStable(wantRows, func(i, j int) bool { return order(c.values[wantRows[i]], c.values[wantRows[j]]) < 0 })
	rows := make([]uint32, len(c.values))
	n, err = Argsort(c.pieces, rows, make([]T, len(c.values)), nil)
	if err != nil || !slices.Equal(rows[:n], wantRows) {
		t.Fatalf("argsort of %d: %v", n, err)
	}
	whole := slices.Clone(c.values)
	n, err = Sort(Of(whole), whole, nil)
	if err != nil || n != len(whole) || !slices.IsSortedFunc(whole, order) {
		t.Fatalf("in place: %v", err)
	}
}

func TestQuantilesAreThoseOfTheSortedValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t, "x", rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 2*local)).Draw(t, "rows"), floatsOf(t))
		q := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "q")
		q = append(q, 0, 0.5, 1)
		out, room := make([]float64, len(q)), make([]float64, len(c.values))
		n, err := Quantiles(c.pieces, q, out, room, nil)
		sorted := c.dense()
		slices.SortFunc(sorted, less)
		if err != nil || n != len(sorted) {
			t.Fatalf("%d of %d: %v", n, len(sorted), err)
		}
		for i, q := range q {
			if n == 0 {
				if out[i] == out[i] {
					t.Fatalf("of nothing: %v", out[i])
				}
				continue
			}
			low, high, share := Place(n, q)
			if want := Between(sorted[low], sorted[high], share); out[i] != want || out[i] < sorted[low] || out[i] > sorted[high] {
				t.Fatalf("quantile %v is %v, want %v", q, out[i], want)
			}
		}
	})
}

func TestFloatsAreTheRowsFromAnyOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		x, ints := draw(t, "x", rows, anyBits), draw(t, "ints", rows, anyInt)
		from := rapid.IntRange(0, rows).Draw(t, "from")
		out := make([]float64, rapid.IntRange(0, rows-from).Draw(t, "rows read"))
		check := func(n int, err error, valid []bool, want func(row int) float64) {
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range out {
				w := 0.0
				if valid[from+i] {
					w, n = want(from+i), n-1
				}
				if !same(v, w) {
					t.Fatalf("row %d: %v, want %v", from+i, v, w)
				}
			}
			if n != 0 {
				t.Fatalf("it counted %d too many", n)
			}
		}
		n, err := Floats(x.pieces.From(from), out, nil)
		check(n, err, x.valid, func(row int) float64 { return x.values[row] })
		n, err = Floats(ints.pieces.From(from), out, nil)
		check(n, err, ints.valid, func(row int) float64 { return float64(ints.values[row]) })
	})
}

func TestCumsumHasASumForEachRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		x, ints := draw(t, "x", rows, anyBits), draw(t, "ints", rows, anyInt)
		out := make([]float64, rows)
		if err := Cumsum(x.pieces, out, nil); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, v := range x.values {
			if x.valid[i] {
				sum += v
			}
			if !same(out[i], sum) || sum != sum && math.Float64bits(out[i]) != math.Float64bits(nan) {
				t.Fatalf("row %d: %v, want %v", i, out[i], sum)
			}
		}
		outInts := make([]int64, rows)
		err := Cumsum(ints.pieces, outInts, nil)
		exact := new(big.Int)
		for i, v := range ints.values {
			if ints.valid[i] {
				exact.Add(exact, big.NewInt(v))
			}
			if !exact.IsInt64() {
				if !errors.Is(err, ErrOverflow) {
					t.Fatalf("row %d overflows: %v", i, err)
				}
				return
			}
			if err == nil && outInts[i] != exact.Int64() {
				t.Fatalf("row %d: %d, want %d", i, outInts[i], exact)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestHistogramsCountWhatIsWithinTheirLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t, "x", drawRows(t), anyBits)
		if rapid.Bool().Draw(t, "tame") {
			c = draw(t, "x", drawRows(t), floatsOf(t))
		}
		low := rapid.Float64Range(-1e3, 1e3).Draw(t, "low")
		high := low + rapid.Float64Range(1e-9, 1e12).Draw(t, "width")
		counts := make([]int64, rapid.IntRange(1, 50).Draw(t, "bins"))
		if !(low < high) {
			return
		}
		n, err := Histogram(c.pieces, low, high, counts, nil)
		want := make([]int64, len(counts))
		within := 0
		for _, v := range c.dense() {
			if v >= low && v <= high {
				within++
				want[min(int((v/2-low/2)/(high/2-low/2)*float64(len(counts))), len(counts)-1)]++
			}
		}
		if err != nil || n != within || !slices.Equal(counts, want) {
			t.Fatalf("%d of %d in %v, want %v: %v", n, within, counts, want, err)
		}
	})
}

func TestGroupsAddUpTheirRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		base := rapid.SampledFrom([]int64{0, -5, math.MinInt64, math.MaxInt64 - 9}).Draw(t, "base")
		keys := draw(t, "keys", rows, func(r *rand.Rand) int64 { return base + r.Int64N(10) })
		values := draw(t, "values", rows, floatsOf(t))
		counts, sums, lost := make([]int64, 10), make([]float64, 10), make([]float64, 10)
		n, err := Group(keys.pieces, base, values.pieces, counts, sums, lost, nil)
		groups := make([][]float64, 10)
		total := 0
		for i, key := range keys.values {
			if keys.valid[i] && values.valid[i] {
				groups[key-base] = append(groups[key-base], values.values[i])
				total++
			}
		}
		if err != nil || n != total {
			t.Fatalf("%d of %d rows: %v", n, total, err)
		}
		for g, x := range groups {
			want, size := exactSum(x)
			if counts[g] != int64(len(x)) || math.Abs(sums[g]-want) > 4*0x1p-53*size {
				t.Fatalf("group %d: %d, %v, want %d, %v", g, counts[g], sums[g], len(x), want)
			}
		}
	})
}

func TestAKeyWithoutAGroupIsRefused(t *testing.T) {
	for _, key := range []int64{-1, 3, math.MinInt64, math.MaxInt64} {
		_, err := Group(Of([]int64{0, key}), 0, Of([]float64{1, 2}), make([]int64, 3), make([]float64, 3), make([]float64, 3), nil)
		assert.ErrorIs(t, err, ErrRange, "%d", key)
	}
}

func TestNaNAndInfinitySpoilWhatTheyTakePartIn(t *testing.T) {
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		x                   []float64
		sum, mean, variance float64
	}{
		"nan":        {[]float64{1, math.Float64frombits(0xfff8000000000007), 2}, nan, nan, nan},
		"infinity":   {[]float64{1, inf, 2}, inf, inf, nan},
		"both_signs": {[]float64{inf, -inf}, nan, nan, nan},
		"overflow":   {append(make([]float64, 3000), math.MaxFloat64, math.MaxFloat64), inf, inf, inf},
	} {
		t.Run(name, func(t *testing.T) {
			sum, _, err := Sum(Of(c.x), nil)
			require.NoError(t, err)
			mean, variance, _, err := Variance(Of(c.x), 0, nil)
			require.NoError(t, err)
			assert.Equal(t, bitsOf([]float64{c.sum, c.mean, c.variance}), bitsOf([]float64{sum, mean, variance}))
		})
	}
	out := make([]float64, 2)
	_, err := Quantiles(Of([]float64{1, nan, 3}), []float64{0, 0.5}, out, make([]float64, 3), nil)
	require.NoError(t, err)
	assert.Equal(t, bitsOf([]float64{nan, nan}), bitsOf(out))
}

func TestLinesOfTooLittle(t *testing.T) {
	fit, n, err := Linreg(Of([]float64{3}), Of([]float64{7}), nil)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []float64{0, 7}, []float64{fit.Slope, fit.Intercept})
	fit, _, err = Linreg(Of([]float64{3, 3}), Of([]float64{7, 9}), nil)
	require.NoError(t, err)
	assert.Equal(t, bitsOf([]float64{nan, nan, nan}), bitsOf([]float64{fit.Slope, fit.Intercept, fit.R}))
	_, _, _, err = Variance(Of([]float64{}), 0, nil)
	assert.NoError(t, err)
}

func TestLengthsAndRangesAreChecked(t *testing.T) {
	three, two := Of([]float64{1, 2, 3}), Of([]float64{1, 2})
	short := make([]float64, 2)
	_, _, err := Dot(three, two, nil)
	assert.ErrorIs(t, err, ErrLengths)
	_, _, err = Linreg(three, two, nil)
	assert.ErrorIs(t, err, ErrLengths)
	_, err = Floats(two, make([]float64, 3), nil)
	assert.ErrorIs(t, err, ErrLengths)
	_, err = Sort(three, short, nil)
	assert.ErrorIs(t, err, ErrLengths)
	_, err = Argsort(three, make([]uint32, 3), short, nil)
	assert.ErrorIs(t, err, ErrLengths)
	assert.ErrorIs(t, Cumsum(three, short, nil), ErrLengths)
	_, err = Quantiles(three, []float64{0.5}, short, short, nil)
	assert.ErrorIs(t, err, ErrLengths)
	for _, q := range []float64{-0.1, 1.1, nan} {
		_, err = Quantiles(two, []float64{q}, short, short, nil)
		assert.ErrorIs(t, err, ErrRange)
	}
	for _, limits := range [][2]float64{{1, 1}, {2, 1}, {nan, 1}, {math.Inf(-1), 1}, {0, math.Inf(1)}} {
		_, err = Histogram(three, limits[0], limits[1], make([]int64, 1), nil)
		assert.ErrorIs(t, err, ErrRange)
	}
}

// Every kernel hears of every element, in bounded portions, and ends when it is told.
func TestKernelsPauseOftenAndEndWhenTold(t *testing.T) {
	const rows = 10 * pauseEvery
	r := rand.New(rand.NewPCG(3, 4))
	x, ints := make([]float64, rows), make([]int64, rows)
	for i := range x {
		x[i], ints[i] = r.NormFloat64(), r.Int64N(3)
	}
	equal := make([]float64, rows)
	out, room, rowsOut := make([]float64, rows), make([]float64, rows), make([]uint32, rows)
	counts, few, ints2 := make([]int64, rows), make([]uint32, 2), make([]int64, 2)
	text := Text{{Offsets: make([]int32, rows+1)}}
	text[0].Bytes = []byte("a")
	text[0].Offsets[rows] = 1
	v := Of(x)
	for name, call := range map[string]func(Pause) error{
		"floats":        func(p Pause) error { _, err := Floats(v, out, p); return err },
		"sum":           func(p Pause) error { _, _, err := Sum(v, p); return err },
		"sum_ints":      func(p Pause) error { _, _, err := SumInts(Of(ints), p); return err },
		"dot":           func(p Pause) error { _, _, err := Dot(v, v, p); return err },
		"variance":      func(p Pause) error { _, _, _, err := Variance(v, 0, p); return err },
		"minmax":        func(p Pause) error { _, _, _, err := MinMax(v, p); return err },
		"minmax_ints":   func(p Pause) error { _, _, _, err := MinMaxInts(Of(ints), p); return err },
		"histogram":     func(p Pause) error { _, err := Histogram(v, -1, 1, counts, p); return err },
		"sort":          func(p Pause) error { _, err := Sort(v, out, p); return err },
		"sort_few":      func(p Pause) error { _, err := Sort(Of(ints), counts, p); return err },
		"sort_equal":    func(p Pause) error { _, err := Sort(Of(equal), out, p); return err },
		"argsort":       func(p Pause) error { _, err := Argsort(v, rowsOut, room, p); return err },
		"argsort_few":   func(p Pause) error { _, err := Argsort(Of(ints), rowsOut, counts, p); return err },
		"argsort_equal": func(p Pause) error { _, err := Argsort(Of(equal), rowsOut, room, p); return err },
		"quantiles":     func(p Pause) error { _, err := Quantiles(v, []float64{0.5}, out, room, p); return err },
		"cumsum":        func(p Pause) error { return Cumsum(v, out, p) },
		"group": func(p Pause) error {
			_, err := Group(Of(ints), 0, v, counts, out, room, p)
			return err
		},
		"rolling":     func(p Pause) error { return Rolling(x, rows/2, out, room, make([]float64, rows+2), p) },
		"rolling_few": func(p Pause) error { return Rolling(x, 3, out, room, make([]float64, 8), p) },
		"elementwise": func(p Pause) error { return Elementwise(Mul, x, x, out, p) },
		"distinct": func(p Pause) error {
			_, err := Distinct(text, few, counts[:2], ints2, make([]uint32, 4), p)
			return err
		},
		"linreg": func(p Pause) error { _, _, err := Linreg(v, v, p); return err },
	} {
		t.Run(name, func(t *testing.T) {
			heard, calls := 0, 0
			require.NoError(t, call(func(n int) error {
				assert.LessOrEqual(t, n, 10*pauseEvery)
				heard, calls = heard+n, calls+1
				return nil
			}))
			assert.GreaterOrEqual(t, heard, rows)
			for _, at := range []int{1, calls/2 + 1, calls} {
				stop, call2 := errors.New("stop"), 0
				assert.ErrorIs(t, call(func(int) error {
					if call2++; call2 == at {
						return stop
					}
					return nil
				}), stop)
				assert.Equal(t, at, call2, "it went on after it was told to end")
			}
		})
	}
}

func FuzzSortAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, repeat uint16) {
		ints := make([]int64, len(data)/8)
		for i := range ints {
			for j := range 8 {
				ints[i] = ints[i]<<8 | int64(data[8*i+j])
			}
		}
		all := slices.Repeat(ints, int(repeat%512)+1)
		want := slices.Clone(all)
		slices.Sort(want)
		rows, room := make([]uint32, len(all)), make([]int64, len(all))
		if _, err := Argsort(Of(all), rows, room, nil); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(rows); i++ {
			a, b := all[rows[i-1]], all[rows[i]]
			if a > b || a == b && rows[i-1] >= rows[i] {
				t.Fatalf("argsort at %d: %d before %d", i, rows[i-1], rows[i])
			}
		}
		if _, err := Sort(Of(all), all, nil); err != nil || !slices.Equal(all, want) {
			t.Fatalf("sort: %v", err)
		}
	})
}
