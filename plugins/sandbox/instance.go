package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"thresher/core/job"
)

// instance is a module with a memory of its own, for one job at a time. A clone, one
// that was made from an image, can be used again: reset puts it back to the image,
// byte for byte.
type instance struct {
	module  *module
	guest   api.Module
	memory  *linearMemory
	purse   *purse
	globals []api.MutableGlobal // as Lifted.Globals names them
}

// newInstance makes an instance for a job: from the module's image if it has one.
func (h *Host) newInstance(ctx context.Context, m *module, k *call) (_ *instance, err error) {
	i := &instance{module: m, memory: &linearMemory{limit: k.memoryLimit(), image: m.image, lifted: m.lifted != nil}}
	defer func() {
		if err != nil {
			i.close()
		}
	}()
	k.memory = i.memory
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	if m.lifted == nil {
		config = config.WithStartFunctions(exportInitialize)
		k.starting = true
		defer func() { k.starting = false }()
	}
	i.guest, err = h.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, i.memory), m.compiled, config)
	if err != nil {
		return nil, err
	}
	i.purse = purseOf(i.guest)
	if m.image == nil {
		return i, nil
	}
	for _, name := range m.lifted.Globals {
		i.globals = append(i.globals, i.guest.ExportedGlobal(name).(api.MutableGlobal))
	}
	if missing := m.image.size - uint64(i.guest.Memory().Size()); missing > 0 {
		if _, ok := i.guest.Memory().Grow(uint32(missing / pageSize)); !ok {
			return nil, fmt.Errorf("no address space for a guest's memory of %d bytes", m.image.size)
		}
	}
	i.restoreGlobals()
	return i, nil
}

// exportInitialize is what WASI calls before anything else in a module.
const exportInitialize = "_initialize"

// begin gives the instance to a job.
func (i *instance) begin(k *call) {
	k.memory = i.memory
	i.memory.limit, i.memory.host, i.memory.peak, i.memory.refused = k.memoryLimit(), 0, i.memory.size, false
	if image := i.module.image; image != nil {
		k.clock = image.clock
	}
	k.meter.attach(i.purse)
}

// end takes it back.
func (i *instance) end(k *call) {
	k.meter.detach()
	k.peak = i.memory.peak
}

func (k *call) memoryLimit() uint64 { return uint64(k.Limits.MemoryBytes) }

// reset puts a clone back to its image. An error means that it cannot be used again.
func (i *instance) reset() error {
	if i.guest.IsClosed() {
		return errors.New("the guest closed its module")
	}
	if err := i.memory.reset(); err != nil {
		return err
	}
	if i.memory.size != i.module.image.size {
		if err := i.shrink(); err != nil {
			return err
		}
	}
	i.restoreGlobals()
	return nil
}

// shrink gives the memory the size of the image again. WebAssembly knows no such
// thing: a growth by one page is asked for, and answered with the smaller size. The
// module declares one page more than it may use, so that there is always one to ask
// for.
func (i *instance) shrink() error {
	i.memory.back = true
	_, ok := i.guest.Memory().Grow(1)
	if !ok || uint64(i.guest.Memory().Size()) != i.module.image.size {
		return errors.New("the memory did not shrink")
	}
	return nil
}

func (i *instance) restoreGlobals() {
	for n, value := range i.module.image.globals {
		i.globals[n].Set(value)
	}
	i.purse.setGas(0)
}

// close lets go of everything. The guest must have returned.
func (i *instance) close() {
	if i.guest != nil {
		_ = i.guest.Close(context.Background()) // it runs nothing: nothing can fail
	}
	i.memory.Free()
}

// checkInitialMemory refuses a job whose limit is less than what the module starts with.
func checkInitialMemory(m *module, limit uint64) error {
	need := uint64(0)
	for _, memory := range m.compiled.ExportedMemories() {
		need = uint64(memory.Min()) * pageSize
	}
	if m.image != nil {
		need = m.image.size
	}
	if need > limit {
		return &job.Error{Code: "memory_limit", Title: "The plugin needs more memory than the job's limit",
			Detail: fmt.Sprintf("it starts with %d bytes; limit %d", need, limit)}
	}
	return nil
}

// declaredMemory is the most that the module may have, by its own word.
func (m *module) declaredMemory() uint64 {
	for _, memory := range m.compiled.ExportedMemories() {
		if pages, ok := memory.Max(); ok {
			return uint64(pages-1) * pageSize
		}
	}
	return math.MaxUint32
}
