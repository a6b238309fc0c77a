package dispatch

import "time"

// drainRate measures how fast jobs end, from the newest of them.
type drainRate struct {
	times [64]time.Time
	n     int // ended since the start
}

func (d *drainRate) ended(at time.Time) {
	d.times[d.n%len(d.times)] = at
	d.n++
}

// retryAfter is the time in which one job should end, between 1 s and 1 min.
func (d *drainRate) retryAfter(now time.Time) time.Duration {
	kept := min(d.n, len(d.times))
	if kept == 0 {
		return 5 * time.Second // nothing known yet
	}
	oldest := d.times[0]
	if d.n > len(d.times) {
		oldest = d.times[d.n%len(d.times)]
	}
	each := now.Sub(oldest) / time.Duration(kept)
	return min(max(each, time.Second), time.Minute)
}
