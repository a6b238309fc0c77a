package sandbox

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/stats/kernel"
	"thresher/plugins/abi"
)

// The functions here give guests the kernels of core/stats/kernel, on their own
// memory and on the columns of their inputs, neither of which is copied. docs/abi.md
// has a table for each. What they write depends on nothing but the arguments.

// kernelCall makes a host function of a kernel, which returns how many values took
// part.
func kernelCall(fn func(a *arguments) (int, error)) func(context.Context, *call, api.Module, []uint64) {
	return func(ctx context.Context, k *call, guest api.Module, stack []uint64) {
		a := &arguments{ctx: ctx, k: k, guest: guest, stack: stack}
		n, err := fn(a)
		answer := int64(n)
		switch {
		case errors.Is(err, kernel.ErrOverflow):
			answer = abi.Overflow
		case errors.Is(err, kernel.ErrRange):
			answer = abi.OutOfRange
		case errors.Is(err, kernel.ErrLengths):
			panic(violation("a kernel's vectors have different lengths"))
		case err != nil:
			panic(hostError{err})
		}
		stack[0] = uint64(answer)
	}
}

func vectorFloats(a *arguments) (int, error) {
	v := a.vector()
	return kernel.Floats(v.numbers(), write[float64](a, v.rows), a.begin())
}

func vectorSum(a *arguments) (n int, err error) {
	v := a.vector()
	if v.isInts() {
		out := write[int64](a, 1)
		out[0], n, err = kernel.SumInts(v.ints, a.begin())
		return n, err
	}
	out := write[float64](a, 1)
	out[0], n, err = kernel.Sum(v.floats, a.begin())
	return n, err
}

func vectorVariance(a *arguments) (n int, err error) {
	v, ddof, out := a.vector(), a.int(), write[float64](a, 2)
	out[0], out[1], n, err = kernel.Variance(v.numbers(), ddof, a.begin())
	return n, err
}

func vectorMinMax(a *arguments) (n int, err error) {
	v := a.vector()
	if v.isInts() {
		out := write[int64](a, 2)
		out[0], out[1], n, err = kernel.MinMaxInts(v.ints, a.begin())
		return n, err
	}
	out := write[float64](a, 2)
	out[0], out[1], n, err = kernel.MinMax(v.floats, a.begin())
	return n, err
}

func vectorDot(a *arguments) (n int, err error) {
	x, y, out := a.vector(), a.vector(), write[float64](a, 1)
	out[0], n, err = kernel.Dot(x.numbers(), y.numbers(), a.begin())
	return n, err
}

func vectorHistogram(a *arguments) (int, error) {
	v, low, high, bins := a.vector(), a.float(), a.float(), a.int()
	return kernel.Histogram(v.numbers(), low, high, write[int64](a, bins), a.begin())
}

func vectorSort(a *arguments) (int, error) {
	v := a.vector()
	a.mayBe(v)
	if v.isInts() {
		return kernel.Sort(v.ints, write[int64](a, v.rows), a.begin())
	}
	return kernel.Sort(v.floats, write[float64](a, v.rows), a.begin())
}

func vectorArgsort(a *arguments) (int, error) {
	v := a.vector()
	rows := write[uint32](a, v.rows)
	if v.isInts() {
		return kernel.Argsort(v.ints, rows, write[int64](a, v.rows), a.begin())
	}
	return kernel.Argsort(v.floats, rows, write[float64](a, v.rows), a.begin())
}

func vectorQuantiles(a *arguments) (int, error) {
	v, count := a.vector(), a.int()
	shares, out := read[float64](a, count), write[float64](a, count)
	a.mayBe(v)
	room := write[float64](a, v.rows)
	return kernel.Quantiles(v.numbers(), shares, out, room, a.begin())
}

func vectorCumsum(a *arguments) (int, error) {
	v := a.vector()
	a.mayBe(v)
	if v.isInts() {
		return v.rows, kernel.Cumsum(v.ints, write[int64](a, v.rows), a.begin())
	}
	return v.rows, kernel.Cumsum(v.floats, write[float64](a, v.rows), a.begin())
}

func vectorGroup(a *arguments) (int, error) {
	keys, base, values, groups := a.vector(), int64(a.next()), a.vector(), a.int()
	if !keys.isInts() {
		return 0, violation("vector_group: the keys are not integers")
	}
	counts, sums, room := write[int64](a, groups), write[float64](a, groups), write[float64](a, groups)
	return kernel.Group(keys.ints, base, values.numbers(), counts, sums, room, a.begin())
}

func vectorLinreg(a *arguments) (n int, err error) {
	x, y, out := a.vector(), a.vector(), write[float64](a, 3)
	fit, n, err := kernel.Linreg(x.numbers(), y.numbers(), a.begin())
	out[0], out[1], out[2] = fit.Slope, fit.Intercept, fit.R
	return n, err
}

// vectorElementwise is the one kernel whose output may overlap what it reads.
func vectorElementwise(a *arguments) (int, error) {
	op, rows := kernel.Operation(a.int()), uint64(a.int())
	x, _ := memoryOf[float64](a, a.next(), rows)
	y, _ := memoryOf[float64](a, a.next(), rows)
	out, _ := memoryOf[float64](a, a.next(), rows)
	return len(out), kernel.Elementwise(op, x, y, out, a.begin())
}

func vectorRolling(a *arguments) (int, error) {
	rows := a.int()
	x, window := read[float64](a, rows), a.int()
	means, variances := write[float64](a, rows), write[float64](a, rows)
	room := write[float64](a, 2*(min(window, max(rows, 1))+1))
	return rows, kernel.Rolling(x, window, means, variances, room, a.begin())
}

func textDistinct(a *arguments) (int, error) {
	text, n := a.text(), a.int()
	rows, counts, room := write[uint32](a, n), write[int64](a, n), write[int64](a, n)
	return kernel.Distinct(text, rows, counts, room, write[uint32](a, 2*n), a.begin())
}
