//go:build wasip1

package vector

import (
	"unsafe"

	"thresher/core/stats/kernel"
	"thresher/plugins/abi"
)

//go:wasmimport thresher vector_sum
func hostSum(v, out unsafe.Pointer) int64

//go:wasmimport thresher vector_variance
func hostVariance(v unsafe.Pointer, ddof int32, out unsafe.Pointer) int64

//go:wasmimport thresher vector_minmax
func hostMinMax(v, out unsafe.Pointer) int64

//go:wasmimport thresher vector_dot
func hostDot(x, y, out unsafe.Pointer) int64

//go:wasmimport thresher vector_histogram
func hostHistogram(v unsafe.Pointer, low, high float64, bins int32, counts unsafe.Pointer) int64

//go:wasmimport thresher vector_floats
func hostFloats(v, out unsafe.Pointer) int64

//go:wasmimport thresher vector_sort
func hostSort(v, out unsafe.Pointer) int64

//go:wasmimport thresher vector_argsort
func hostArgsort(v, rows, room unsafe.Pointer) int64

//go:wasmimport thresher vector_quantiles
func hostQuantiles(v unsafe.Pointer, count int32, shares, out, room unsafe.Pointer) int64

//go:wasmimport thresher vector_cumsum
func hostCumsum(v, out unsafe.Pointer) int64

//go:wasmimport thresher vector_group
func hostGroup(keys unsafe.Pointer, base int64, values unsafe.Pointer, groups int32, counts, sums, room unsafe.Pointer) int64

//go:wasmimport thresher vector_linreg
func hostLinreg(x, y, out unsafe.Pointer) int64

//go:wasmimport thresher vector_elementwise
func hostElementwise(op, rows int32, x, y, out unsafe.Pointer) int64

//go:wasmimport thresher vector_rolling
func hostRolling(rows int32, x unsafe.Pointer, window int32, means, variances, room unsafe.Pointer) int64

//go:wasmimport thresher text_distinct
func hostDistinct(input, column, groups int32, rows, counts, room, slots unsafe.Pointer) int64

// call is what a host call passes by address. Values are numbers in a descriptor,
// which Go does not follow: inUse keeps them where they are, on the heap.
type call struct {
	inUse [2]Numbers
	v     [2]abi.Vector
	out   [3]float64
	ints  [2]int64
}

// last is a variable of the package so that all it holds is on the heap.
var last *call

func begin(vectors ...Numbers) *call {
	c := &call{}
	for i, v := range vectors {
		c.inUse[i], c.v[i] = v, v.descriptor()
	}
	last = c
	return c
}

func (c *call) vector(i int) unsafe.Pointer { return unsafe.Pointer(&c.v[i]) }
func (c *call) result() unsafe.Pointer      { return unsafe.Pointer(&c.out) }
func (c *call) resultInts() unsafe.Pointer  { return unsafe.Pointer(&c.ints) }

func pointer[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// descriptor says where the host finds the vector.
func (v Vector[T]) descriptor() abi.Vector {
	if v.column != nil {
		return abi.Vector{Input: v.column.input, Column: v.column.number, Rows: uint64(v.column.rows)}
	}
	var p kernel.Piece[T] // here they are of one
	if len(v.pieces) > 0 {
		p = v.pieces[0]
	}
	d := abi.Vector{Input: abi.InMemory, Column: abi.Floats, Rows: uint64(len(p.Values))}
	if _, ints := any(p.Values).([]int64); ints {
		d.Column = abi.Ints
	}
	d.From = uint64(uintptr(pointer(p.Values)))
	d.Validity = uint32(uintptr(pointer(p.Validity)))
	return d
}

func errorOf(answer int64) error {
	switch answer {
	case abi.Overflow:
		return ErrOverflow
	case abi.OutOfRange:
		return ErrRange
	}
	return nil
}

func floats(v Numbers, from int, into []float64) int {
	c := begin(v)
	d := &c.v[0]
	switch {
	case d.Input != abi.InMemory:
		d.From += uint64(from)
	case d.Validity == 0:
		d.From += 8 * uint64(from)
	default: // the bitmap may begin within a byte, which the host does not know
		n, _ := kernel.Floats(v.numbers(from), into, nil) // nothing ends it
		return n
	}
	d.Rows = uint64(len(into))
	return int(hostFloats(c.vector(0), pointer(into)))
}

func sum(v Vector[float64]) (float64, int) {
	c := begin(v)
	n := hostSum(c.vector(0), c.result())
	return c.out[0], int(n)
}

func sumInts(v Vector[int64]) (int64, int, error) {
	c := begin(v)
	n := hostSum(c.vector(0), c.resultInts())
	return c.ints[0], int(n), errorOf(n)
}

func variance(v Numbers, ddof int) (mean, variance float64, n int) {
	c := begin(v)
	n = int(hostVariance(c.vector(0), int32(ddof), c.result()))
	return c.out[0], c.out[1], n
}

func minMax(v Vector[float64]) (low, high float64, n int) {
	c := begin(v)
	n = int(hostMinMax(c.vector(0), c.result()))
	return c.out[0], c.out[1], n
}

func minMaxInts(v Vector[int64]) (low, high int64, n int) {
	c := begin(v)
	n = int(hostMinMax(c.vector(0), c.resultInts()))
	return c.ints[0], c.ints[1], n
}

func dot(x, y Numbers) float64 {
	c := begin(x, y)
	hostDot(c.vector(0), c.vector(1), c.result())
	return c.out[0]
}

func histogram(v Numbers, low, high float64, counts []int64) error {
	c := begin(v)
	return errorOf(hostHistogram(c.vector(0), low, high, int32(len(counts)), pointer(counts)))
}

func sortTo[T Element](v Vector[T], out []T) int {
	c := begin(v)
	return int(hostSort(c.vector(0), pointer(out)))
}

func argsort[T Element](v Vector[T], out []uint32, room []T) int {
	c := begin(v)
	return int(hostArgsort(c.vector(0), pointer(out), pointer(room)))
}

func quantiles(v Numbers, shares, out, room []float64) error {
	c := begin(v)
	return errorOf(hostQuantiles(c.vector(0), int32(len(shares)), pointer(shares), pointer(out), pointer(room)))
}

func cumsum[T Element](v Vector[T], out []T) error {
	c := begin(v)
	return errorOf(hostCumsum(c.vector(0), pointer(out)))
}

func group(keys Vector[int64], base int64, values Numbers, counts []int64, sums, room []float64) error {
	c := begin(keys, values)
	return errorOf(hostGroup(c.vector(0), base, c.vector(1), int32(len(counts)), pointer(counts), pointer(sums), pointer(room)))
}

func linreg(x, y Numbers) (Fit, int) {
	c := begin(x, y)
	n := hostLinreg(c.vector(0), c.vector(1), c.result())
	return Fit{Slope: c.out[0], Intercept: c.out[1], R: c.out[2]}, int(n)
}

func elementwise(op Operation, x, y, out []float64) error {
	return errorOf(hostElementwise(int32(op), int32(len(out)), pointer(x), pointer(y), pointer(out)))
}

func rolling(x []float64, window int, means, variances, room []float64) error {
	return errorOf(hostRolling(int32(len(x)), pointer(x), int32(window), pointer(means), pointer(variances), pointer(room)))
}

func distinct(t Texts, rows []uint32, counts, room []int64, slots []uint32) (int, error) {
	if t.column == nil {
		return kernel.Distinct(t.pieces, rows, counts, room, slots, nil)
	}
	n := hostDistinct(t.column.input, t.column.number, int32(len(rows)), pointer(rows), pointer(counts), pointer(room), pointer(slots))
	return int(n), errorOf(n)
}
