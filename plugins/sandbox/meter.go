package sandbox

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/plugins/sandbox/rewrite"
)

// meter counts what a guest uses: gas by the instructions it executes, and CPU time
// by the clock of the thread it runs on. The guest spends gas on its own and calls
// the tick when it has none left, and what the host does for it is paid out of the same
// slice: see pay. Where that ends is a safepoint. Only the goroutine that runs the guest
// uses it.
//
// How much a safepoint gives at once depends on the clock, so that they come often
// enough to be stopped by and seldom enough to cost nothing. How much is spent in
// all does not: it follows from what the guest did.
type meter struct {
	purse *purse // nil until there is a guest
	given int64  // gas, at the last refill
	spent uint64 // before that

	slice    time.Duration // how long one should last
	gasLimit uint64        // 0: none
	cpuLimit time.Duration // 0: none
	cpu      time.Duration // up to the last look at the clock
	since    time.Duration // the thread's clock then
}

// Slice is how long a slice of gas should last, about, unless [Config] says otherwise.
// Longer ones keep the collector, the network and whoever wants a stop waiting; with
// shorter ones ticks take a few per cent of a guest's time (docs/performance.md).
const Slice = 100 * time.Microsecond

// The bounds of a slice, in gas, and the first of a job: additions alone are paid
// with it for some 50 µs.
const (
	leastSlice = 1 << 14
	firstSlice = 1 << 17
	mostSlice  = 1 << 22
)

// start begins to count. The calling goroutine stays on its thread, whose clock is
// read, until stop.
func (m *meter) start() {
	runtime.LockOSThread()
	m.since = threadTime()
}

// attach gives the guest its first slice.
func (m *meter) attach(p *purse) {
	if m.purse == nil {
		m.purse = p
		m.refill(firstSlice)
	}
}

// detach counts what the guest has spent in the end.
func (m *meter) detach() {
	m.settle(m.purse.gas())
	m.purse = nil
}

// stop ends the counting of time.
func (m *meter) stop() {
	m.look()
	runtime.UnlockOSThread()
}

// left is how much of the slice the guest still has. Initialisers that the runtime
// itself calls may have none yet.
func (m *meter) left() int64 {
	if m.purse == nil {
		return 0
	}
	return m.purse.gas()
}

// take spends gas of the slice.
func (m *meter) take(gas uint64) {
	if m.purse == nil {
		m.spent += gas
		return
	}
	m.purse.add(-int64(gas))
}

func (m *meter) refill(gas int64) {
	if m.purse == nil {
		return
	}
	if m.gasLimit > 0 {
		gas = min(gas, int64(m.gasLimit-min(m.spent, m.gasLimit)))
	}
	m.given = gas
	m.purse.setGas(gas)
}

// settle counts what was spent of the last slice, of which so much is left.
func (m *meter) settle(left int64) {
	m.spent += uint64(m.given - left)
	m.given = left
}

// used is the gas that was spent up to here.
func (m *meter) used() uint64 {
	if m.purse != nil {
		m.settle(m.purse.gas())
	}
	return m.spent
}

// look counts the CPU time since the last look, and returns it.
func (m *meter) look() time.Duration {
	now := threadTime()
	took := now - m.since
	m.cpu, m.since = m.cpu+took, now
	return took
}

// yield lets others run, the collector and the network among them, and whoever's turn
// it is.
func (k *call) yield(ctx context.Context) {
	runtime.UnlockOSThread()
	err := k.yieldTurn(ctx)
	runtime.LockOSThread()
	if err != nil {
		panic(hostError{err})
	}
}

// tick is called by a guest that owes more gas than it had: it has been taken, but
// will be asked for again.
func (k *call) tick(ctx context.Context, guest api.Module, params []uint64) {
	m, owed := &k.meter, int64(params[0])
	if m.purse == nil { // the runtime itself calls the initialisers of a plain instance
		m.attach(purseOf(guest))
		m.given = 0 // all that it has is what it was just given
		m.purse.setGas(-owed)
	}
	m.purse.add(owed) // should it end here, it has not done what it owes for
	k.safepoint(ctx, owed)
}

// pay takes gas for what the host is about to do on a guest's behalf. Where the slice
// does not have as much, it is a safepoint first. What takes long is paid in parts, each
// of some 100 µs at most.
func (k *call) pay(ctx context.Context, gas uint64) {
	m := &k.meter
	if m.left() < int64(gas) {
		k.safepoint(ctx, int64(gas))
	}
	m.take(gas)
}

// safepoint is where a guest looks at its host: what it has used is counted and held
// against its limits, it is paused or ended if that is desired, and others get their
// turn. Then it has a slice again, of so much gas at least.
func (k *call) safepoint(ctx context.Context, wants int64) {
	m := &k.meter
	slice := m.given
	m.settle(m.left())
	slice = nextSlice(slice, m.look(), m.slice)
	k.Meter.Note(m.cpu, m.spent, k.memory.peak)
	k.checkReadable()
	k.checkBudgets(wants)
	k.yield(ctx)
	k.gate(ctx)
	m.since = threadTime()
	m.refill(max(slice, wants))
}

// nextSlice is how much gas comes after a slice that took a time and should have taken
// another.
func nextSlice(last int64, took, want time.Duration) int64 {
	switch {
	case took < want/2:
		last *= 2
	case took > 2*want:
		last /= 2
	}
	return min(max(last, leastSlice), mostSlice)
}

// checkReadable ends a guest that has read what could not be read.
func (k *call) checkReadable() {
	if err := k.memory.readable(nil); err != nil {
		panic(err)
	}
}

// checkBudgets ends a guest that wants more gas than its limit, or has had more CPU
// time than its own.
func (k *call) checkBudgets(wants int64) {
	m := &k.meter
	switch {
	case m.gasLimit > 0 && m.spent+uint64(wants) > m.gasLimit:
		panic(&job.Error{Code: "gas_limit", Title: "The job used up its gas",
			Detail: fmt.Sprintf("limit %d; it had used %d", m.gasLimit, m.spent)})
	case m.cpuLimit > 0 && m.cpu > m.cpuLimit:
		panic(&job.Error{Code: "cpu_limit", Title: "The job used more CPU time than its limit",
			Detail: fmt.Sprintf("limit %g s; it used %.3f s", m.cpuLimit.Seconds(), m.cpu.Seconds())})
	}
}

// exportTick offers the tick to rewritten modules, and what ends them where they are too deep.
func exportTick(ctx context.Context, r wazero.Runtime) error {
	tick := api.GoModuleFunc(func(ctx context.Context, guest api.Module, stack []uint64) { callFrom(ctx).tick(ctx, guest, stack) })
	deep := api.GoModuleFunc(func(ctx context.Context, guest api.Module, stack []uint64) { callFrom(ctx).deep(guest, stack) })
	_, err := r.NewHostModuleBuilder(rewrite.Host).
		NewFunctionBuilder().WithGoModuleFunction(tick, types(i64), nil).Export(rewrite.Tick).
		NewFunctionBuilder().WithGoModuleFunction(deep, types(i64, i64), nil).Export(rewrite.Deep).
		Instantiate(ctx)
	if err != nil {
		return fmt.Errorf("sandbox: module %s: %w", rewrite.Host, err)
	}
	return nil
}
