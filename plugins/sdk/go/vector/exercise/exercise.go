// Package exercise calls every function of package vector and notes the bits of what
// comes back. Run in a guest and outside of one, it shows that both answer alike.
package exercise

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"

	"thresher/core/stats/kernel"
	"thresher/plugins/sdk/go/vector"
)

// Data is columns to call the functions on.
type Data struct {
	X, Y     []float64
	Ints     []int64 // from -50 to 49
	Validity []byte  // of all three
}

// Make makes columns of that many rows. Of four kinds of values the seed chooses one;
// every kind but the last has no NaN.
func Make(rows int, seed uint64, nulls bool) Data {
	r := rand.New(rand.NewPCG(seed, 1))
	d := Data{make([]float64, rows), make([]float64, rows), make([]int64, rows), make([]byte, (rows+7)/8)}
	for i := range rows {
		switch seed % 4 {
		case 0:
			d.X[i] = r.NormFloat64()
		case 1:
			d.X[i] = math.Ldexp(r.NormFloat64(), r.IntN(200)-100)
		case 2:
			d.X[i] = float64(r.IntN(7)) - 3
		case 3:
			d.X[i] = math.Float64frombits(r.Uint64())
		}
		d.Y[i] = 2*d.X[i] + r.Float64()
		d.Ints[i] = r.Int64N(100) - 50
		if !nulls || r.IntN(5) != 0 {
			d.Validity[i/8] |= 1 << (i % 8)
		}
	}
	return d
}

// Vectors are the columns as vectors.
func (d Data) Vectors(nulls bool) (x, y vector.Vector[float64], ints vector.Vector[int64]) {
	if nulls {
		return vector.WithNulls(d.X, d.Validity), vector.WithNulls(d.Y, d.Validity), vector.WithNulls(d.Ints, d.Validity)
	}
	return vector.Of(d.X), vector.Of(d.Y), vector.Of(d.Ints)
}

// Text is the text of a row that is not null.
func (d Data) Text(row int) string { return "number " + strconv.FormatInt(d.Ints[row]/3, 10) }

// Texts are the rows' texts.
func (d Data) Texts(nulls bool) vector.Texts {
	p := kernel.TextPiece{Offsets: []int32{0}}
	for i := range d.Ints {
		p.Bytes = append(p.Bytes, d.Text(i)...)
		p.Offsets = append(p.Offsets, int32(len(p.Bytes)))
	}
	if nulls {
		p.Validity = d.Validity
	}
	return vector.TextPieces(kernel.Text{p})
}

// Every calls every function. Long answers are noted as a hash.
func Every(x, y vector.Vector[float64], ints vector.Vector[int64], text vector.Texts) map[string][]uint64 {
	mean, variance, n := vector.Variance(x, 1)
	meanInts, varianceInts, _ := vector.Variance(ints, 0)
	low, high := vector.MinMax(x)
	lowInt, highInt := vector.MinMaxInts(ints)
	fit, fitted := vector.Linreg(x, y)
	fitInts, _ := vector.Linreg(ints, y)
	sumInts, sumError := vector.SumInts(ints)
	counts, sums, groupError := vector.Group(ints, -50, 100, x)
	_, _, outside := vector.Group(ints, 0, 3, x)
	cumsum, _ := vector.Cumsum(x)
	cumsumInts, cumsumError := vector.Cumsum(ints)
	part, partInts := make([]float64, ints.Len()-ints.Len()/3), make([]float64, ints.Len()-ints.Len()/3)
	present := vector.Floats(x, ints.Len()/3, part)
	presentInts := vector.Floats(ints, ints.Len()/3, partInts)
	means, variances := vector.Rolling(part, 20)
	texts, textCounts := vector.Distinct(text)
	return map[string][]uint64{
		"rolling": {hash(means), hash(variances)},
		"elementwise": {operated(vector.Add, part, partInts), operated(vector.Sub, part, partInts), operated(vector.Mul, part, partInts),
			operated(vector.Ratio, part, partInts), operated(vector.Sqrt, part, part), operated(vector.Abs, part, part)},
		"distinct":      {hashRows(texts), hashInts(textCounts)},
		"floats":        {hash(part), hash(partInts), uint64(present), uint64(presentInts)},
		"sum":           bits(vector.Sum(x)),
		"sum_ints":      {uint64(sumInts), flag(sumError)},
		"variance":      append(bits(mean, variance), uint64(n)),
		"variance_ints": bits(meanInts, varianceInts),
		"minmax":        bits(low, high),
		"minmax_ints":   {uint64(lowInt), uint64(highInt)},
		"dot":           bits(vector.Dot(x, y), vector.Dot(x, ints)),
		"histogram":     {hashInts(vector.Histogram(x, -2, 2.5, 31)), hashInts(vector.Histogram(ints, -10, 10, 7))},
		"sort":          {hash(vector.Sorted(x)), hashInts(vector.Sorted(ints))},
		"argsort":       {hashRows(vector.Argsort(x)), hashRows(vector.Argsort(ints))},
		"quantiles":     append(bits(vector.Quantiles(x, 0, 0.25, 0.5, 0.99, 1)...), bits(vector.Quantiles(ints, 0.5)...)...),
		"cumsum":        {hash(cumsum), hashInts(cumsumInts), flag(cumsumError)},
		"group":         {hashInts(counts), hash(sums), flag(groupError), flag(outside)},
		"linreg":        append(bits(fit.Slope, fit.Intercept, fit.R, fitInts.Slope), uint64(fitted)),
	}
}

func operated(op vector.Operation, x, y []float64) uint64 {
	out := make([]float64, len(x))
	vector.Elementwise(op, x, y, out)
	return hash(out)
}

func flag(err error) uint64 {
	if err != nil {
		return 1
	}
	return 0
}

func bits(values ...float64) (out []uint64) {
	for _, v := range values {
		out = append(out, math.Float64bits(v))
	}
	return out
}

func hash(values []float64) uint64 { return hashAll(bits(values...)) }

func hashInts(values []int64) uint64 {
	all := make([]uint64, len(values))
	for i, v := range values {
		all[i] = uint64(v)
	}
	return hashAll(all)
}

func hashRows(values []uint32) uint64 {
	all := make([]uint64, len(values))
	for i, v := range values {
		all[i] = uint64(v)
	}
	return hashAll(all)
}

func hashAll(values []uint64) uint64 {
	h := fnv.New64a()
	for _, v := range append(values, uint64(len(values))) {
		for shift := 0; shift < 64; shift += 8 {
			h.Write([]byte{byte(v >> shift)}) // it never fails
		}
	}
	return h.Sum64()
}
