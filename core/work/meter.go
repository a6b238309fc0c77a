package work

import (
	"sync/atomic"
	"time"
)

// Meter is what a guest has used so far. The goroutine that runs the guest sets it;
// anyone may read it. A nil Meter notes nothing.
type Meter struct {
	cpu, gas, peak atomic.Int64
}

// Note sets what has been used: CPU time, gas, and the peak of memory in bytes.
func (m *Meter) Note(cpu time.Duration, gas, peak uint64) {
	if m == nil {
		return
	}
	m.cpu.Store(int64(cpu))
	m.gas.Store(int64(gas))
	m.peak.Store(int64(peak))
}

func (m *Meter) read() Report {
	return Report{CPUSeconds: time.Duration(m.cpu.Load()).Seconds(), Gas: m.gas.Load(), PeakMemoryBytes: m.peak.Load()}
}
