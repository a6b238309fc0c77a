package kernel

// Rolling writes, for each row, the mean and the variance (divisor n - 1) of the window
// of rows that ends there: at the start, of those there are. The variance of one row is
// NaN. It needs room for twice as many values as a window, and two more.
//
// The rows are taken block by block, each as long as a window: a window is then the end
// of one block and the beginning of the next, and both are known by going over a block
// once forwards and once backwards. So the work does not grow with the window, and
// nothing is subtracted that was added before: no error is left behind, nor by an
// infinity.
func Rolling(x []float64, window int, means, variances, room []float64, pause Pause) (err error) {
	if window < 1 {
		return ErrRange
	}
	window = min(window, max(len(x), 1))
	if len(means) < len(x) || len(variances) < len(x) || len(room)/2 < window+1 {
		return ErrLengths
	}
	r := rolling{window: window, sums: room[:window+1], squares: room[window+1 : 2*(window+1)], pace: pacer{pause: pause}}
	defer r.pace.end(&err)
	for _, ends := range [][]float64{r.sums, r.squares} {
		if err := inParts(ends, &r.pace, func(part []float64) { clear(part) }); err != nil {
			return err
		}
	}
	for start := 0; start < len(x); start += window {
		end := min(start+window, len(x))
		// Distances from a value that all these windows have in them: what cancels in
		// the variance is then no larger than the window's own spread.
		near := x[start]
		if start > 0 {
			if err := r.backwards(x[start-window:start], near); err != nil {
				return err
			}
		}
		if err := r.forwards(x[start:end], near, start == 0, means[start:end], variances[start:end]); err != nil {
			return err
		}
	}
	return r.pace.flush()
}

type rolling struct {
	window        int
	sums, squares []float64 // of the block before, from each index on
	pace          pacer
}

func (r *rolling) backwards(block []float64, near float64) error {
	var sum, square float64
	for end := len(block); end > 0; {
		start := max(end-pauseEvery, 0)
		sums, squares := r.sums[start:end], r.squares[start:end]
		for i := end - start - 1; i >= 0; i-- {
			d := block[start+i] - near
			sum += d
			square += float64(d * d) // rounded: not fused
			sums[i], squares[i] = sum, square
		}
		if err := r.pace.add(end - start); err != nil {
			return err
		}
		end = start
	}
	return nil
}

func (r *rolling) forwards(block []float64, near float64, first bool, means, variances []float64) error {
	var sum, square float64
	n := float64(r.window)
	for start := 0; start < len(block); start += pauseEvery {
		end := min(start+pauseEvery, len(block))
		for i := start; i < end; i++ {
			if first {
				n = float64(i + 1)
			}
			d := block[i] - near
			sum += d
			square += float64(d * d)
			s := r.sums[i+1] + sum
			q := r.squares[i+1] + square - float64(s*s)/n
			if q < 0 { // by rounding
				q = 0
			}
			means[i], variances[i] = canonical(near+s/n), canonical(q/(n-1))
		}
		if err := r.pace.add(2 * (end - start)); err != nil {
			return err
		}
	}
	return nil
}
