package kernel

// Pause is called after a bounded number of elements, with their number. It may
// wait, and may end the kernel with an error. An element that is passed over twice
// counts twice. nil never waits.
type Pause func(elements int) error

// pauseEvery is how many elements are passed over before Pause hears of them: below
// a millisecond of any kernel's work.
const pauseEvery = 1 << 16

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

func (p *pacer) flush() error {
	n := p.done
	p.done = 0
	if p.pause == nil || n == 0 {
		return nil
	}
	return p.pause(n)
}
