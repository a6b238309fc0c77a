package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero/api"
)

// image is a module's state after its initialisers have run: what every job starts
// from. Each maps the file privately over its memory, so that nothing is copied
// but the pages that the job writes.
type image struct {
	file    *os.File // the memory
	size    uint64   // of the memory, bytes
	globals []uint64 // as module.lifted names them
	clock   int64
}

func (i *image) Close() error { return i.file.Close() }

// freeze initialises a lifted module once and takes the image.
func (h *Host) freeze(ctx context.Context, m *module) (taken *image, err error) {
	err = h.ask(ctx, m, func(ctx context.Context, k *call, guest api.Module) error {
		if err := initialise(ctx, m, k, guest); err != nil {
			return err
		}
		taken = &image{size: uint64(guest.Memory().Size()), clock: k.clock}
		for _, name := range m.lifted.Globals {
			taken.globals = append(taken.globals, guest.ExportedGlobal(name).Get())
		}
		var err error
		taken.file, err = sealedFile(readBuffer(guest, 0, uint32(taken.size)))
		return err
	})
	return taken, err
}

// initialise does what the runtime would have done with the module as it was.
func initialise(ctx context.Context, m *module, k *call, guest api.Module) error {
	k.starting = true
	defer func() { k.starting = false }()
	for i, d := range m.lifted.Data {
		if !guest.Memory().Write(d.Offset, d.Bytes) {
			return violation("data segment %d is outside the memory: %d bytes at %d", i, len(d.Bytes), d.Offset)
		}
	}
	for _, name := range []string{m.lifted.Start, exportInitialize} {
		if f := guest.ExportedFunction(name); f != nil {
			if _, err := f.Call(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore gives a new instance, whose memory maps the image, the rest of its state.
func (i *image) restore(m *module, guest api.Module) error {
	memory := guest.Memory()
	if missing := i.size - uint64(memory.Size()); missing > 0 {
		if _, ok := memory.Grow(uint32(missing / pageSize)); !ok {
			return fmt.Errorf("no address space for a guest's memory of %d bytes", i.size)
		}
	}
	for n, name := range m.lifted.Globals {
		guest.ExportedGlobal(name).(api.MutableGlobal).Set(i.globals[n])
	}
	return nil
}

// sealedFile returns a file without a name that holds content and never changes.
// Pages of zeros are holes in it.
func sealedFile(content []byte) (*os.File, error) {
	f, err := memoryFile()
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if err := errors.Join(fill(f, content), seal(f)); err != nil {
		return nil, fmt.Errorf("image: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}

func fill(f *os.File, content []byte) error {
	if err := f.Truncate(int64(len(content))); err != nil {
		return err
	}
	page := os.Getpagesize()
	zeros := make([]byte, page)
	for at := 0; at < len(content); at += page {
		part := content[at:min(at+page, len(content))]
		if bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		if _, err := f.WriteAt(part, int64(at)); err != nil {
			return err
		}
	}
	return nil
}
