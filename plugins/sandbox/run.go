package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
)

// call is one call of a guest: what the host functions reach through its context.
// Only the goroutine that runs the guest uses it.
type call struct {
	work.Call
	inputs []*table.File // by the order of their names
	memory *linearMemory // of the instance it has
	peak   uint64        // of that memory, when the instance was given back
	meter  meter
	turns  turns
	share  share         // in whose turns it goes on
	dice   *rand.ChaCha8 // made when it is first thrown: see random
	clock  int64         // nanoseconds since 1970, virtual
	result json.RawMessage
	failed string // what the guest said before it returned Failed
	tail   tail   // the end of its log

	program *world // of a command; else nil

	itsTurn  bool   // it has one: not while it waits
	starting bool   // the module's initialisers run
	price    *price // of the host function that was called last
	info     []byte // once the guest has asked for it
}

type callKey struct{}

func callFrom(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// epoch is when every guest's clock starts.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

func newCall(c work.Call) *call {
	k := &call{Call: c, memory: &linearMemory{}, clock: epoch}
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		k.inputs = append(k.inputs, c.Inputs[name])
	}
	k.meter.cpuLimit = time.Duration(c.Limits.CPUSeconds * float64(time.Second))
	k.meter.gasLimit = uint64(c.Limits.Gas)
	return k
}

// random is where the guest's random bytes come from. They follow from the seed.
func (k *call) random() *rand.ChaCha8 {
	if k.dice == nil {
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], k.Seed)
		k.dice = rand.NewChaCha8(seed)
	}
	return k.dice
}

// Run implements work.Runner.
func (h *Host) Run(ctx context.Context, c work.Call) (work.Report, error) {
	return h.RunFrom(ctx, c, nil)
}

// RunFrom is Run, and loads a module that it has not got from a source, which may be
// nil. What no job has used for the longest is unloaded when there is too much.
func (h *Host) RunFrom(ctx context.Context, c work.Call, source Source) (work.Report, error) {
	m, err := h.acquire(ctx, c.Digest, source)
	if err != nil {
		return work.Report{}, err
	}
	defer h.done(m)
	index := slices.IndexFunc(m.plugin.Routines, func(r routine.Routine) bool { return r.Name == c.Routine })
	if index < 0 {
		return work.Report{}, &job.Error{Code: "plugin_missing", Title: "The plugin has no such routine", Detail: c.Routine}
	}
	return h.runIn(ctx, m, index, c)
}

// runIn runs the routine of that number.
func (h *Host) runIn(ctx context.Context, m *module, index int, c work.Call) (work.Report, error) {
	if err := checkInputs(m.plugin.Routines[index], c.Inputs); err != nil {
		return work.Report{}, err
	}
	k := newCall(c)
	err := h.with(ctx, m, k, func(ctx context.Context, guest api.Module) error {
		if m.command() {
			return runCommand(ctx, k, guest, m.plugin.Routines[index])
		}
		if m.plugin.Routines[index].Kind == routine.Simulation {
			return simulate(ctx, k, guest, index)
		}
		return run(ctx, guest, abi.ExportRun, index)
	})
	report := work.Report{
		PeakMemoryBytes: int64(k.peak), CPUSeconds: k.meter.cpu.Seconds(), Gas: int64(k.meter.spent),
	}
	if err != nil {
		return report, err
	}
	report.Result = k.result
	return report, nil
}

// checkInputs holds the tables against what the routine declares: one that another
// job was still to write could not be checked at submit.
func checkInputs(r routine.Routine, inputs map[string]*table.File) error {
	for _, want := range r.Inputs {
		f, given := inputs[want.Name]
		if !given {
			continue
		}
		var columns []routine.Column
		for _, c := range f.Info().Columns {
			columns = append(columns, routine.Column{Name: c.Name, Type: c.Type})
		}
		if err := want.Check(columns, f.Rows()); err != nil {
			return &job.Error{Code: "input_mismatch", Title: "An input is not what the routine needs", Detail: fmt.Sprintf("input %s: %v", want.Name, err)}
		}
	}
	return nil
}

// with calls fn with an instance of its own, and explains how that ended.
func (h *Host) with(ctx context.Context, m *module, k *call, fn func(context.Context, api.Module) error) (err error) {
	// Where the host reads a table that cannot be read, it panics: see faultGuard for guests.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil { // outside of the guest, where the runtime does not
			err = k.explain(ctx, endOf(fault))
		}
	}()
	if err := checkInitialMemory(m, k.memoryLimit()); err != nil {
		return err
	}
	ctx = context.WithValue(ctx, callKey{}, k)
	k.turns, k.share, k.meter.slice = h.turns, shareOf(ctx), h.slice
	if err := k.takeTurn(ctx); err != nil {
		return err
	}
	defer k.endTurn()
	i := h.clones.take(m, k.memoryLimit())
	defer func() {
		if i != nil {
			h.clones.give(i)
		}
	}()
	k.meter.start() // from here on the goroutine has a thread of its own, and waits for no lock: to wake it takes long
	defer k.meter.stop()
	if i == nil {
		if i, err = h.newInstance(ctx, m, k); err != nil {
			return k.explain(ctx, err)
		}
	}
	i.begin(k)
	defer i.end(k)
	return k.explain(ctx, i.memory.readable(fn(ctx, i.guest)))
}

// endOf is how a guest ended that was ended outside of it, where a limit was met before it
// began or after it was done; or a fault of the host's.
func endOf(fault any) error {
	if err, ok := fault.(error); ok && isEnd(err) {
		return err
	}
	return fmt.Errorf("sandbox: %v\n%s", fault, debug.Stack())
}

// isEnd reports whether an error is one that ends a guest from within a host function.
func isEnd(err error) bool {
	var known *job.Error
	var host hostError
	return errors.As(err, &known) || errors.As(err, &host)
}

// try calls what may end the guest, and returns the error that would.
func try(do func()) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			var ok bool
			if err, ok = fault.(error); !ok || !isEnd(err) {
				panic(fault)
			}
		}
	}()
	do()
	return nil
}

// errFailed marks a guest that returned Failed; explain puts its words in.
var errFailed = errors.New("the routine failed")

// status reads what run, init or step returned: OK, or one other status.
func status(results []uint64, err error, other int32) (int32, error) {
	if err != nil {
		return 0, err
	}
	switch status := int32(uint32(results[0])); status {
	case abi.OK, other:
		return status, nil
	case abi.Failed:
		return status, errFailed
	default:
		return status, violation("the routine returned status %d", status)
	}
}

// run calls an export that takes a routine's number and answers OK or Failed.
func run(ctx context.Context, guest api.Module, export string, index int) error {
	results, err := callFrom(ctx).enter(ctx, guest.ExportedFunction(export), uint64(index))
	_, err = status(results, err, abi.OK)
	return err
}

// A batch of steps should spend about this much gas, which takes some 10 ms: long enough
// that the call costs nothing beside it, short enough that what it appends is seen soon.
const stepGas = 1 << 24

const maxSteps = 1 << 20 // in a batch

// stepCall is what calling a simulation's step costs, in gas.
const stepCall = 1024

// nextSteps is how many steps are asked for after so many that spent some gas. It must
// follow from the gas alone: the guest sees the number.
func nextSteps(last, gas uint64) uint64 {
	switch {
	case gas < stepGas/2:
		return min(2*last, maxSteps)
	case gas > 2*stepGas:
		return max(last/2, 1)
	}
	return last
}

// simulate initialises a simulation and steps it until it is done.
func simulate(ctx context.Context, k *call, guest api.Module, index int) error {
	if err := run(ctx, guest, abi.ExportInit, index); err != nil {
		return err
	}
	step := guest.ExportedFunction(abi.ExportStep)
	for steps := uint64(1); ; {
		if err := k.mayGoOn(ctx); err != nil {
			return err
		}
		before := k.meter.used()
		k.pay(ctx, stepCall) // a step may cost nothing, and must meet a safepoint all the same
		results, err := k.enter(ctx, step, steps)
		if status, err := status(results, err, abi.Done); err != nil || status == abi.Done {
			return err
		}
		steps = nextSteps(steps, k.meter.used()-before)
	}
}
