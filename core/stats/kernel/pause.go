package kernel

// Pause is called with the number of elements that a kernel has passed over since the
// last call: every few thousand of them, and at the kernel's end, also where that is an
// error. It may wait, and may end the kernel with an error. An element that is passed
// over twice counts twice. nil never waits.
type Pause func(elements int) error

// pauseEvery is how many elements are passed over before Pause hears of them: below
// a tenth of a millisecond of most kernels' work.
const pauseEvery = 1 << 14

// pacer collects the elements that Pause has not heard of.
type pacer struct {
	pause Pause
	done  int
}

func (p *pacer) add(n int) error {
	if p.done += n; p.done < pauseEvery {
		return nil
	}
	return p.flush()
}

// end flushes at the end of a kernel, also where that is an error.
func (p *pacer) end(err *error) {
	if late := p.flush(); *err == nil {
		*err = late
	}
}

func (p *pacer) flush() error {
	n := p.done
	p.done = 0
	if p.pause == nil || n == 0 {
		return nil
	}
	return p.pause(n)
}
