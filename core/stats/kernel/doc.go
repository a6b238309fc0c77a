// Package kernel does arithmetic on long columns of numbers: sums, moments,
// extremes, histograms, sorting, quantiles, groups and lines. The host and guests
// run the same plain Go, so both get the same bits, on every machine: products are
// rounded before they are added (no fused operations), sums have a stated order,
// and a NaN that a kernel makes is always the same NaN.
//
// # Nulls
//
// A [Vector] is a sequence in pieces, each with an optional validity bitmap. A null
// is as if it were not there: a kernel's answer is what it says of the values that
// are not null, laid out densely. Of two vectors, a row counts if neither is null
// in it. Where pieces begin and end never matters. Two kernels speak of rows: what
// [Argsort] returns are rows, and [Cumsum] has a sum for each row, to which a null
// adds nothing.
//
// # NaN
//
// NaN is a value, not a null. It spoils whatever it takes part in (sum, mean,
// variance, extremes, dot product, quantiles, line), as in numpy. It is in no bin of a
// histogram. Sorting puts NaN last, all as the same NaN, and -0 before 0.
//
// # Interruption
//
// A kernel calls its [Pause] for every so many elements that it has passed over,
// and ends at once with what that returns. What it has written until then is
// undefined. No kernel allocates more than a few blocks: room that grows with the
// data is the caller's.
//
// Nothing here is shared: a call may run beside another as long as neither writes
// what the other touches.
package kernel

import "errors"

// Errors of kernels.
var (
	// ErrOverflow is returned where the sum of integers does not fit one.
	ErrOverflow = errors.New("the sum does not fit 64 bits")
	// ErrLengths is returned for two vectors that should be of one length, or an
	// output that is too short.
	ErrLengths = errors.New("lengths differ")
	// ErrRange is returned for an argument outside of what it may be: a quantile, a
	// group, the limits of a histogram.
	ErrRange = errors.New("out of range")
)
