package population

import "math"

// logarithms remembers the natural logarithms of small integers: counts of agents are
// few different numbers, and a logarithm takes longer than finding one.
type logarithms struct{ known []float64 }

const integersKnown = 1 << 17

// of writes the logarithms of counts to out, which may be the counts' own memory. That
// of 0, which nobody asks for, is 0.
func (l *logarithms) of(counts, out []float64) {
	if l.known == nil {
		l.known = make([]float64, integersKnown)
	}
	known := (*[integersKnown]float64)(l.known)
	out = out[:len(counts)]
	for i, v := range counts {
		n := uint32(int64(v)) % integersKnown
		log := known[n]
		if log == 0 || float64(n) != v { // that of 0 and 1, not known yet, or not an integer
			log = l.find(v)
		}
		out[i] = log
	}
}

func (l *logarithms) find(v float64) float64 {
	if v == 0 {
		return 0
	}
	log := math.Log(v)
	if i := int64(v); i >= 0 && i < integersKnown && float64(i) == v {
		l.known[i] = log
	}
	return log
}
