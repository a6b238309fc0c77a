package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/abi"
)

// hostFunction is a function that guests import. It may panic with an error to
// end the guest.
type hostFunction struct {
	params  []api.ValueType
	results []api.ValueType
	call    func(ctx context.Context, k *call, guest api.Module, stack []uint64)
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
	f64 = api.ValueTypeF64
)

func types(t ...api.ValueType) []api.ValueType { return t }

// hostFunctions is the module "thresher". docs/abi.md has a table for each.
var hostFunctions = map[string]hostFunction{
	"call_info":      {types(i32, i32), types(i32), callInfo},
	"column_read":    {types(i32, i32, i64, i64, i32, i32, i32), types(i64), columnRead},
	"input_layout":   {types(i32, i32, i32, i32), types(i64), inputLayout},
	"input_map":      {types(i32, i64, i64, i32, i32), types(i32), inputMap},
	"file_read":      {types(i64, i32, i32), types(i64), fileRead},
	"result_write":   {types(i32, i32), nil, resultWrite},
	"table_append":   {types(i32, i32, i32, i32, i64, i32), nil, tableAppend},
	"artifact_write": {types(i32, i32, i32, i32, i32, i32), nil, artifactWrite},
	"progress":       {types(f64, i32, i32), nil, progress},
	"log":            {types(i32, i32), nil, logText},
	"fail":           {types(i32, i32), nil, fail},

	// The kernels: see kernels.go.
	"vector_floats":      {types(i32, i32), types(i64), kernelCall(vectorFloats)},
	"vector_sum":         {types(i32, i32), types(i64), kernelCall(vectorSum)},
	"vector_variance":    {types(i32, i32, i32), types(i64), kernelCall(vectorVariance)},
	"vector_minmax":      {types(i32, i32), types(i64), kernelCall(vectorMinMax)},
	"vector_dot":         {types(i32, i32, i32), types(i64), kernelCall(vectorDot)},
	"vector_histogram":   {types(i32, f64, f64, i32, i32), types(i64), kernelCall(vectorHistogram)},
	"vector_sort":        {types(i32, i32), types(i64), kernelCall(vectorSort)},
	"vector_argsort":     {types(i32, i32, i32), types(i64), kernelCall(vectorArgsort)},
	"vector_quantiles":   {types(i32, i32, i32, i32, i32), types(i64), kernelCall(vectorQuantiles)},
	"vector_cumsum":      {types(i32, i32), types(i64), kernelCall(vectorCumsum)},
	"vector_group":       {types(i32, i64, i32, i32, i32, i32, i32), types(i64), kernelCall(vectorGroup)},
	"vector_linreg":      {types(i32, i32, i32), types(i64), kernelCall(vectorLinreg)},
	"vector_rolling":     {types(i32, i32, i32, i32, i32, i32), types(i64), kernelCall(vectorRolling)},
	"vector_elementwise": {types(i32, i32, i32, i32, i32), types(i64), kernelCall(vectorElementwise)},
	"text_distinct":      {types(i32, i32, i32, i32, i32, i32, i32), types(i64), kernelCall(textDistinct)},
}

func exportHost(ctx context.Context, r wazero.Runtime) error {
	return export(ctx, r, abi.Module, hostFunctions)
}

// export offers functions to guests. Before each of them the job's gate is asked,
// so that a guest that calls the host can be paused and stopped there, and the call is
// paid.
func export(ctx context.Context, r wazero.Runtime, module string, functions map[string]hostFunction) error {
	b := r.NewHostModuleBuilder(module)
	for name, f := range functions {
		price, listed := prices[name]
		if !listed {
			panic("sandbox: the table of prices has no " + name)
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(
			func(ctx context.Context, guest api.Module, stack []uint64) {
				k := callFrom(ctx)
				k.gate(ctx)
				k.price = &price
				k.pay(ctx, price.call)
				if k.starting && module == abi.Module {
					panic(violation("%s was called while the module starts: there is no job yet", name))
				}
				for i, p := range f.params {
					if p == i32 {
						stack[i] = uint64(uint32(stack[i])) // the upper half is not defined
					}
				}
				f.call(ctx, k, guest, stack)
			}), f.params, f.results).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("sandbox: module %s: %w", module, err)
	}
	return nil
}

// gate lets the guest go on, wait, or end.
func (k *call) gate(ctx context.Context) {
	if err := k.mayGoOn(ctx); err != nil {
		panic(hostError{err})
	}
}

// attentive is a Host that can say without waiting whether its gate is worth asking.
type attentive interface{ Held() bool }

// mayGoOn asks the job's gate, which may wait: then others have the turn.
func (k *call) mayGoOn(ctx context.Context) error {
	if host, ok := k.Host.(attentive); ok && !host.Held() && ctx.Err() == nil {
		return nil
	}
	return k.away(ctx, func() error { return k.Host.Gate(ctx) })
}

// away does what may wait for long, while others have the turn.
func (k *call) away(ctx context.Context, wait func() error) error {
	k.endTurn()
	err := wait()
	return cmp.Or(err, k.takeTurn(ctx))
}

// takeTurn waits until it is the guest's turn, or until ctx ends. Where it returns an
// error the guest must not go on.
func (k *call) takeTurn(ctx context.Context) error {
	err := k.turns.begin(ctx, k.share)
	k.itsTurn = err == nil
	return err
}

// yieldTurn is endTurn and takeTurn at once.
func (k *call) yieldTurn(ctx context.Context) error {
	if !k.itsTurn {
		return k.takeTurn(ctx)
	}
	err := k.turns.yield(ctx, k.share)
	k.itsTurn = err == nil
	return err
}

// endTurn lets others have the turn, if the guest has it.
func (k *call) endTurn() {
	if k.itsTurn {
		k.itsTurn = false
		k.turns.end()
	}
}

// readBuffer returns a view of guest memory, valid until the guest goes on. It
// ends the guest if the buffer is not inside the memory.
func readBuffer(guest api.Module, ptr, n uint32) []byte {
	view, ok := guest.Memory().Read(ptr, n)
	if !ok {
		panic(violation("a buffer of %d bytes at %d is outside the memory of %d bytes", n, ptr, guest.Memory().Size()))
	}
	return view
}

// readText returns a copy of text, which must be UTF-8 and not too long.
func (k *call) readText(ctx context.Context, guest api.Module, ptr, n uint64, most int, what string) string {
	view := readBuffer(guest, uint32(ptr), uint32(n))
	if len(view) > most {
		panic(violation("%s has %d bytes: the limit is %d", what, len(view), most))
	}
	if !k.isText(ctx, view) {
		panic(violation("%s is not UTF-8", what))
	}
	return string(view)
}

const (
	maxText    = 64 << 10 // of a name or a message
	maxMessage = 4096     // of an error: it is in the job's record
)

// printable is a guest's text without what terminals would act on.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(string(text), ""))
}

func callInfo(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	if k.info == nil {
		k.info = k.makeInfo(ctx)
	}
	ptr, room := uint32(stack[0]), uint32(stack[1])
	stack[0] = uint64(uint32(len(k.info)))
	if int(room) >= len(k.info) {
		k.copyInto(ctx, readBuffer(guest, ptr, uint32(len(k.info))), k.info)
	}
}

func resultWrite(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	view := readBuffer(guest, uint32(stack[0]), uint32(stack[1]))
	k.mayHandOver("the result", int64(len(view)))
	if !k.isJSON(ctx, view) || !k.isText(ctx, view) {
		panic(violation("the result is not JSON"))
	}
	k.hold("the result", len(view))
	k.letGo(len(k.result))
	k.result = nil // the collector's, while the next is made
	k.result = k.copyOf(ctx, view)
}

func artifactWrite(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	name := k.readText(ctx, guest, stack[0], stack[1], maxText, "an artifact's name")
	media := k.readText(ctx, guest, stack[2], stack[3], maxText, "an artifact's media type")
	view := readBuffer(guest, uint32(stack[4]), uint32(stack[5]))
	err := k.keep(ctx, view, func(c *content) error { return k.Host.Artifact(ctx, name, media, c) })
	if err != nil {
		panic(hostError{err})
	}
}

func progress(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	message := k.readText(ctx, guest, stack[1], stack[2], maxText, "a progress message")
	fraction := api.DecodeF64(stack[0])
	if math.IsNaN(fraction) {
		fraction = 0
	}
	k.Host.Progress(fraction, message)
}

func logText(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	k.log(ctx, readBuffer(guest, uint32(stack[0]), uint32(stack[1])))
}

func fail(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	text := readBuffer(guest, uint32(stack[0]), uint32(stack[1]))
	text = text[:min(len(text), maxMessage)]
	k.work(ctx, escaped, len(text))
	k.failed = printable(text)
}
