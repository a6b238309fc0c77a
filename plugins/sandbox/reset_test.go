package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"thresher/core/job"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/hostile"
)

// A clone that was put back is a new instance, byte for byte, whatever was done to it:
// random modules are made dirty in every way that a guest or the host can, and compared
// with an instance that never ran. Then each function does on the clone what it does
// in the module as it was.
func FuzzResetClone(f *testing.F) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		choices := make([]byte, 200+random.IntN(1500))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(choices, seed)
	}
	h, err := New(context.Background(), Config{Clones: 1})
	require.NoError(f, err)
	f.Cleanup(func() { assert.NoError(f, h.Close(context.Background())) })
	h.policy.Memory, h.policy.Exports = "", nil // these modules are no plugins
	in := sealed(f, "x\n"+strings.Repeat("1\n", 20_000))
	f.Fuzz(func(t *testing.T, choices []byte, seed uint64) {
		s := soiled{T: t, h: h, in: in, wasm: hostile.Generate(choices), random: rand.New(rand.NewPCG(seed, 2))}
		s.check()
	})
}

// soiled is a module whose clone is made dirty.
type soiled struct {
	*testing.T
	h      *Host
	m      *module
	in     *table.File
	wasm   hostile.Generated
	random *rand.Rand
	fresh  []uint64 // the globals of a new instance
	limit  uint64
}

func (s *soiled) check() {
	var err error
	s.m, err = s.h.compile(s.Context(), s.wasm.Wasm, digestOf(s.wasm.Wasm), &Report{})
	require.NoError(s, err)
	defer func() {
		assert.NoError(s, s.h.unload(context.Background(), s.m))
	}()
	if s.m.lifted == nil {
		return // no clones of it
	}
	if s.m.image, err = s.h.freeze(s.Context(), s.m); err != nil {
		return // its start function traps
	}
	s.limit = s.m.image.size + s.random.Uint64N(20)*pageSize
	s.run(func(_ context.Context, _ *call, guest api.Module) { s.fresh = globalsOf(guest, added) })
	for range 4 {
		s.run(s.soil)
		s.isNew()
	}
	s.doesTheSame()
}

// run is a job's way to an instance and back.
func (s *soiled) run(fn func(context.Context, *call, api.Module)) {
	k := newCall(work.Call{
		Host: mute{}, Limits: job.Limits{MemoryBytes: int64(s.limit)}, Inputs: map[string]*table.File{"data": s.in},
	})
	require.NoError(s, s.h.with(s.Context(), s.m, k, func(ctx context.Context, guest api.Module) error {
		fn(ctx, k, guest)
		return nil
	}))
}

// added are the globals that rewriting adds, as the last ones: what is left.
const added = 1

func globalsOf(guest api.Module, besides int) (all []uint64) {
	internal := guest.(experimental.InternalModule)
	for n := range internal.NumGlobal() - besides {
		all = append(all, internal.Global(n).Get())
	}
	return all
}

// soil does what a guest and the host may do, at random.
func (s *soiled) soil(ctx context.Context, k *call, guest api.Module) {
	memory := guest.Memory()
	for range 1 + s.random.IntN(8) {
		switch s.random.IntN(8) {
		case 0:
			for range s.random.IntN(300) {
				memory.WriteByte(s.random.Uint32N(memory.Size()), byte(s.random.Uint32()))
			}
		case 1:
			memory.Grow(s.random.Uint32N(4))
		case 2: // to the very limit, and the last byte of it
			for ok := true; ok; _, ok = memory.Grow(1) {
			}
			memory.WriteByte(memory.Size()-1, 0xff)
		case 3, 4:
			s.call(ctx, guest, s.random.IntN(len(s.wasm.Exports)))
		case 5: // killed where it happens to be
			k.meter.gasLimit = k.meter.spent + s.random.Uint64N(300)
			k.meter.settle(k.meter.purse.gas())
			k.meter.refill(1)
			s.call(ctx, guest, s.random.IntN(len(s.wasm.Exports)))
			k.meter.gasLimit = 0
		case 6:
			for _, name := range s.m.lifted.Globals {
				guest.ExportedGlobal(name).(api.MutableGlobal).Set(s.random.Uint64())
			}
		case 7: // a table, mapped
			size := int64(1 + s.random.IntN(30_000))
			if room := int64(memory.Size()) - size - 2*4096; room > 0 {
				k.place(ctx, s.in, s.random.Int64N(s.in.Size()-size), size, s.random.Uint64N(uint64(room)))
				memory.WriteByte(s.random.Uint32N(memory.Size()), 0xaa)
			}
		}
	}
}

func (s *soiled) call(ctx context.Context, guest api.Module, n int) string {
	guest.ExportedGlobal("fuel").(api.MutableGlobal).Set(60)
	f := guest.ExportedFunction(s.wasm.Exports[n].Name)
	args := make([]uint64, words(f.Definition().ParamTypes()))
	for i := range args {
		args[i] = uint64(1000 * (i + n))
	}
	results, err := f.Call(ctx, args...)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return text
	}
	for i, t := range f.Definition().ResultTypes() {
		if t == i32 || t == api.ValueTypeF32 {
			at := words(f.Definition().ResultTypes()[:i])
			results[at] = uint64(uint32(results[at]))
		}
	}
	return fmt.Sprint(results)
}

// words is how many numbers values of these types are: a vector is two.
func words(types []api.ValueType) int {
	return len(types) + bytes.Count(types, []byte{hostile.V128})
}

// isNew compares the idle clone with the image, and what is behind it with zeros.
func (s *soiled) isNew() {
	i := s.h.clones.take(s.m, s.limit)
	if i == nil {
		return // it could not be put back, and was thrown away
	}
	image := s.m.image
	require.Equal(s, image.size, i.memory.size)
	require.Equal(s, image.size, uint64(i.guest.Memory().Size()))
	require.Empty(s, i.memory.mapped)
	require.True(s, bytes.Equal(image.view, i.memory.reserved[:image.size]), "the memory is the image's")
	behind := i.memory.reserved[image.size:min(uint64(len(i.memory.reserved)), s.limit+pageSize)]
	require.Empty(s, bytes.Trim(behind, "\x00"), "nothing is left behind the memory")
	require.Equal(s, s.fresh, globalsOf(i.guest, added))
	require.Zero(s, i.purse.gas())
	s.h.clones.idle.Must(func(idle *[]*instance) { *idle = append(*idle, i) })
}

// doesTheSame calls every function on the clone, and in the module untouched.
func (s *soiled) doesTheSame() {
	compiled, err := s.h.runtime.CompileModule(s.Context(), s.wasm.Wasm)
	require.NoError(s, err)
	defer compiled.Close(context.Background())
	for n := range s.wasm.Exports {
		s.limit = s.m.image.size + 100*pageSize
		var got string
		var memory []byte
		var globals []uint64
		s.run(func(ctx context.Context, _ *call, guest api.Module) {
			got = s.call(ctx, guest, n)
			view, _ := guest.Memory().Read(0, guest.Memory().Size())
			memory, globals = bytes.Clone(view), globalsOf(guest, added)
		})
		untouched, err := s.h.runtime.InstantiateModule(s.Context(), compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		require.NoError(s, err)
		require.Equal(s, s.call(s.Context(), untouched, n), got)
		view, _ := untouched.Memory().Read(0, untouched.Memory().Size())
		require.True(s, bytes.Equal(view, memory), "the memory after %s", s.wasm.Exports[n].Name)
		require.Equal(s, globalsOf(untouched, 0), globals)
		require.NoError(s, untouched.Close(context.Background()))
	}
}

// Memories that can grow by nothing, by one page, or without an end of their own have
// the page that putting back needs.
func TestMemoriesOfAllLimitsArePutBack(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"most_is_least": 1, "one_more": 2, "none": 0, "all_there_is": 1 << 16} {
		t.Run(name, func(t *testing.T) {
			wasm := hostile.Module{Run: hostile.Code(
				[]byte{0x03, 0x40}, hostile.I32Const(1), hostile.Grow, hostile.I32Const(-1), []byte{0x47, 0x0d, 0, 0x0b}, // grow until -1
				hostile.Store(65_532, -1), hostile.I32Const(0)), Most: uint32(most)}.Encode()
			h, err := New(t.Context(), Config{Clones: 1})
			require.NoError(t, err)
			defer h.Close(context.Background())
			p, err := h.Load(t.Context(), wasm, false)
			require.NoError(t, err)
			m := h.module(p.Digest)
			for range 3 {
				c, _ := forgedCall(t, p.Digest)
				c.Limits.MemoryBytes = 40 * pageSize
				report, err := h.Run(t.Context(), c)
				require.NoError(t, err)
				want := int64(40)
				if most > 0 {
					want = min(want, int64(most))
				}
				assert.Equal(t, want*pageSize, report.PeakMemoryBytes)
				i := h.clones.take(m, 40*pageSize)
				if !canReset {
					continue
				}
				require.NotNil(t, i, "it was put back")
				assert.True(t, bytes.Equal(m.image.view, i.memory.reserved[:m.image.size]))
				assert.Empty(t, bytes.Trim(i.memory.reserved[m.image.size:min(len(i.memory.reserved), 41*pageSize)], "\x00"))
				h.clones.give(i)
			}
		})
	}
}

// A clone whose module was closed is not used again.
func TestAClosedCloneIsThrownAway(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{})
	m := h.module(digest)
	h.clones.drain(m)
	k := newCall(work.Call{Host: mute{}, Limits: job.Limits{MemoryBytes: 1 << 20}})
	why := errors.New("closed")
	err := h.with(t.Context(), m, k, func(ctx context.Context, guest api.Module) error {
		require.NoError(t, guest.CloseWithExitCode(ctx, 3))
		return why
	})
	assert.ErrorIs(t, err, why)
	assert.Nil(t, h.clones.take(m, 1<<20))
}

// A module's clones are closed while jobs of others end that have much memory to give back.
func TestAModuleIsClosedWhileJobsOfOthersEnd(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, hostile.Module{Pages: 600, Run: hostile.Code(hostile.Push(1<<16, 1, 2*muchMemory), []byte{0xfc, 11, 0}, hostile.I32Const(0))})
	var jobs sync.WaitGroup
	for range 4 {
		jobs.Go(func() {
			for range 5 {
				c, _ := forgedCall(t, digest)
				c.Limits.MemoryBytes = 64 << 20
				_, err := h.Run(t.Context(), c)
				assert.NoError(t, err)
			}
		})
	}
	ended := make(chan struct{})
	go func() { jobs.Wait(); close(ended) }()
	idle := &module{}
	for {
		select {
		case <-ended:
			return
		default:
			h.clones.drain(idle)
		}
	}
}

// A module that was refused when it was asked what it is leaves no clone behind, whether it
// was put back at once or not: the clone needs the module's image for that.
func TestARefusedModuleLeavesNoClone(t *testing.T) {
	t.Parallel()
	for name, pages := range map[string]uint32{"little_memory": 10, "much_memory": 700} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := New(t.Context(), Config{})
			require.NoError(t, err)
			soil := hostile.Code(hostile.Push(1<<16, 1, int32(min(pages-1, 190))<<16), []byte{0xfc, 11, 0})
			m := hostile.Module{Pages: pages, Describe: hostile.Code(soil, hostile.Unreachable)}
			for range 5 {
				_, err = h.Load(t.Context(), m.Encode(), false)
				var refused *Refusal
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, "describe_failed", refused.Code)
				h.clones.idle.Must(func(idle *[]*instance) { assert.Empty(t, *idle) })
			}
			require.NoError(t, h.Close(context.Background()))
		})
	}
}

// Of a module that is loaded twice at a time, one is kept, and nothing is left of the other.
func TestAModuleThatIsLoadedTwiceIsKeptOnce(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	wasm := hostile.Module{}.Encode()
	first, err := h.load(t.Context(), wasm, digestOf(wasm), false, true)
	require.NoError(t, err)
	second, err := h.load(t.Context(), wasm, digestOf(wasm), false, true)
	require.NoError(t, err)
	assert.Same(t, first, second)
	h.clones.idle.Must(func(idle *[]*instance) {
		for _, i := range *idle {
			assert.Same(t, first, i.module)
		}
	})
	require.NoError(t, h.Close(context.Background()))
}
