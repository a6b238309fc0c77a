package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/unix"

	"thresher/plugins/sandbox/rewrite"
)

// image is a module's state after its initialisers have run: what every job starts
// from. Each maps the file privately over its memory, so that nothing is copied
// but the pages that the job writes.
type image struct {
	file    *os.File // the memory
	view    []byte   // a mapping of it, to copy pages back from
	size    uint64   // of the memory, bytes
	globals []uint64 // as Lifted.Globals names them
	clock   int64
}

func (i *image) Close() error { return errors.Join(unix.Munmap(i.view), i.file.Close()) }

// mapOver maps the image's memory from an offset on over that of a guest.
func (i *image) mapOver(guest []byte, offset uint64) error {
	return mapPrivately(i.file, offset, guest)
}

// mapPrivately maps a file from an offset on over memory: what is written there is not
// written to the file.
func mapPrivately(f *os.File, offset uint64, memory []byte) error {
	if len(memory) == 0 {
		return nil
	}
	_, err := unix.MmapPtr(int(f.Fd()), int64(offset), unsafe.Pointer(unsafe.SliceData(memory)), uintptr(len(memory)),
		readWrite, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}

// freeze initialises a lifted module once and takes the image.
func (h *Host) freeze(ctx context.Context, m *module) (taken *image, err error) {
	err = h.ask(ctx, m, func(ctx context.Context, k *call, guest api.Module) error {
		f, err := memoryFile()
		if err != nil {
			return fmt.Errorf("image: %w", err)
		}
		defer func() {
			if taken == nil {
				_ = f.Close() // nobody wants it
			}
		}()
		if err := initialise(ctx, m, k, guest, f); err != nil {
			return err
		}
		taken, err = k.image(f, m.lifted, guest)
		return err
	})
	return taken, err
}

// initialise does what the runtime would have done with the module as it was. The data
// segments are written to a file that the guest has mapped: those of a large module are
// not in memory a second time.
func initialise(ctx context.Context, m *module, k *call, guest api.Module, f *os.File) error {
	if err := writeData(ctx, f, m.lifted.Data, k.memory.size); err != nil {
		return err
	}
	if err := mapPrivately(f, 0, k.memory.reserved[:k.memory.size]); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	k.starting = true
	defer func() { k.starting = false }()
	for _, name := range []string{rewrite.Start, exportInitialize} {
		if f := guest.ExportedFunction(name); f != nil {
			if _, err := k.enter(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// image makes an image of a guest that has been initialised. Its memory cannot be used
// after that.
func (k *call) image(f *os.File, lifted *rewrite.Lifted, guest api.Module) (*image, error) {
	taken := &image{file: f, size: k.memory.size, clock: k.clock}
	for _, name := range lifted.Globals {
		taken.globals = append(taken.globals, guest.ExportedGlobal(name).Get())
	}
	err := errors.Join(writeChanges(f, k.memory.reserved[:taken.size]), seal(f))
	if err == nil {
		taken.view, err = unix.Mmap(int(f.Fd()), 0, int(taken.size), unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	return taken, nil
}
