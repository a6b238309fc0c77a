package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"regexp"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"

	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
)

// world is a runtime in which modules are run untouched or rewritten, and may import
// each other.
type world struct {
	form    form
	runtime wazero.Runtime
	ctx     context.Context
	ticks   int
	left    int64 // gas, until a guest is ended as endless
	given   int64 // at the last tick
	spent   int64 // before that; of one guest

	lefts    []api.MutableGlobal // of all guests: they may call each other
	memories [][]byte            // of all guests, to be unmapped
}

// mostTicks is how often a world is mean with gas: there are scripts with calls in the
// millions.
const mostTicks = 100_000

var (
	errEndless = errors.New("endless")
	errDeep    = errors.New("stack overflow") // as the runtime says it
)

// form is what is done to modules before they run.
type form struct {
	name  string
	slice int64 // what the tick gives at least; 0: as little as it may
	how   func(*binary.Module) (rewrite.Rewritten, error)
}

var (
	untouched = form{name: "untouched"}
	metered   = form{name: "metered", slice: 1 << 20, how: meteredOnly}
	starved   = form{name: "starved", how: meteredOnly} // takes the slow path at each loop and call
	lifted    = form{name: "lifted", slice: 1000, how: rewrite.Rewrite}
)

func meteredOnly(m *binary.Module) (r rewrite.Rewritten, err error) {
	r.Wasm, err = rewrite.Metered(m)
	return r, err
}

func newWorld(f form) *world {
	ctx := context.Background()
	w := &world{
		form:    f,
		runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2)),
		ctx:     ctx,
		left:    1 << 60,
	}
	tick := func(_ context.Context, guest api.Module, owed int64) {
		gas := max(owed, w.form.slice)
		if w.ticks++; w.ticks > mostTicks {
			gas += 1 << 20
		}
		if w.left -= gas; w.left < 0 {
			panic(errEndless)
		}
		left := leftTo(guest)
		w.spent += w.given - (left.Gas() + owed)
		w.given = gas
		guest.ExportedGlobal(rewrite.Global).(api.MutableGlobal).Set(uint64(rewrite.NewLeft(gas, left.Stack())))
	}
	deep := func(context.Context, int64, int64) { panic(errDeep) }
	_, err := w.runtime.NewHostModuleBuilder(rewrite.Host).NewFunctionBuilder().WithFunc(tick).Export(rewrite.Tick).
		NewFunctionBuilder().WithFunc(deep).Export(rewrite.Deep).Instantiate(ctx)
	if err != nil {
		panic(err)
	}
	return w
}

func leftTo(guest api.Module) rewrite.Left {
	return rewrite.Left(guest.ExportedGlobal(rewrite.Global).Get())
}

// spentBy is the gas that the world's only guest has spent.
func (w *world) spentBy(guest api.Module) int64 {
	return w.spent + w.given - leftTo(guest).Gas()
}

func (w *world) close() {
	_ = w.runtime.Close(w.ctx)
	for _, m := range w.memories {
		_ = unix.Munmap(m)
	}
}

// refused says that rewriting refuses a module.
type refused struct{ error }

// rewritten returns the module as this world runs it.
func (w *world) rewritten(wasm []byte) (rewrite.Rewritten, error) {
	if w.form.how == nil {
		return rewrite.Rewritten{Wasm: wasm}, nil
	}
	m, err := binary.Parse(wasm)
	if err != nil {
		return rewrite.Rewritten{}, refused{err}
	}
	r, err := w.form.how(m)
	if err != nil {
		return rewrite.Rewritten{}, refused{err}
	}
	return r, nil
}

// instantiate makes an instance under a name that others can import from, or "".
func (w *world) instantiate(wasm []byte, name string) (api.Module, error) {
	r, err := w.rewritten(wasm)
	if err != nil {
		return nil, err
	}
	compiled, err := w.runtime.CompileModule(w.ctx, r.Wasm)
	if err != nil {
		return nil, err
	}
	memory := experimental.MemoryAllocatorFunc(func(_, most uint64) experimental.LinearMemory {
		if r.Lifted != nil {
			most -= 1 << 16 // the last page that it declares is never given
		}
		return w.reserve(most)
	})
	guest, err := w.runtime.InstantiateModule(experimental.WithMemoryAllocator(w.ctx, memory), compiled, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil {
		return guest, err
	}
	if left := guest.ExportedGlobal(rewrite.Global); left != nil {
		w.lefts = append(w.lefts, left.(api.MutableGlobal))
	}
	if r.Lifted == nil {
		return guest, nil
	}
	return guest, w.initialise(guest, r.Lifted)
}

func (w *world) initialise(guest api.Module, l *rewrite.Lifted) error {
	for _, d := range l.Data {
		if !guest.Memory().Write(d.Offset, d.Bytes) {
			return errors.New("wasm error: out of bounds memory access")
		}
	}
	if start := guest.ExportedFunction(rewrite.Start); start != nil {
		_, err := start.Call(w.ctx)
		return err
	}
	return nil
}

// reserved is a memory of which only the pages take room that a guest writes: some
// binaries begin with gigabytes.
type reserved []byte

func (w *world) reserve(most uint64) experimental.LinearMemory {
	all, err := unix.Mmap(-1, 0, int(max(most, 1)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		panic(err)
	}
	w.memories = append(w.memories, all)
	return reserved(all[:most])
}

func (m reserved) Reallocate(size uint64) []byte {
	if size > uint64(len(m)) {
		return nil
	}
	return m[:size:size]
}

// Free does nothing: memories go with their world, those of modules that were not
// instantiated among them.
func (reserved) Free() {}

// trap is the first line of what went wrong, without the numbers of functions: the
// stack of a rewritten module is another.
func trap(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if at := strings.Index(text, " failed: "); strings.HasPrefix(text, "start function") && at > 0 {
		text = text[at+len(" failed: "):]
	}
	text = dataSegment.ReplaceAllString(text, "wasm error: ")
	text, _, _ = strings.Cut(text, " (recovered by wazero)")
	return text
}

// dataSegment is how the runtime begins where it is the one that initialises.
var dataSegment = regexp.MustCompile(`^data\[\d+\]: `)

// outcome calls a function and says what came of it, bit for bit. Of references to
// functions it says only whether they are null: they are addresses.
func (w *world) outcome(guest api.Module, function string, args []uint64) string {
	f := guest.ExportedFunction(function)
	if f == nil {
		return "no such function"
	}
	for _, left := range w.lefts {
		left.Set(uint64(rewrite.NewLeft(rewrite.Left(left.Get()).Gas(), rewrite.StackBytes)))
	}
	results, err := f.Call(w.ctx, args...)
	if err != nil {
		return trap(err)
	}
	var out strings.Builder
	at := 0
	for _, t := range f.Definition().ResultTypes() {
		switch byte(t) {
		case binary.TypeI32, binary.TypeF32:
			fmt.Fprintf(&out, "%#x ", uint32(results[at]))
		case binary.TypeFuncref:
			fmt.Fprintf(&out, "null:%v ", results[at] == 0)
		case binary.TypeV128:
			fmt.Fprintf(&out, "%#x,", results[at])
			at++
			fallthrough
		default:
			fmt.Fprintf(&out, "%#x ", results[at])
		}
		at++
	}
	return out.String()
}

// shape is what state a module has, its own and what it imports.
type shape struct {
	globals int
	memory  bool
}

func shapeOf(m *binary.Module) shape {
	s := shape{globals: len(m.Globals), memory: m.Memories > 0}
	for _, i := range m.Imports {
		switch i.Kind {
		case binary.KindGlobal:
			s.globals++
		case binary.KindMemory:
			s.memory = true
		}
	}
	return s
}

var digest = maphash.MakeSeed()

// state is an instance's memory and globals, without those that rewriting added.
func (s shape) state(guest api.Module) string {
	var out strings.Builder
	for n := range s.globals {
		g := guest.(experimental.InternalModule).Global(n)
		if byte(g.Type()) == binary.TypeFuncref {
			fmt.Fprintf(&out, "null:%v ", g.Get() == 0)
		} else {
			fmt.Fprintf(&out, "%#x ", g.Get())
		}
	}
	if s.memory {
		all, _ := guest.Memory().Read(0, guest.Memory().Size())
		fmt.Fprintf(&out, "memory %d %x", len(all), maphash.Bytes(digest, all))
	}
	return out.String()
}
