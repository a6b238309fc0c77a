package sandbox

import (
	"bytes"
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
	if len(guest) == 0 {
		return nil
	}
	_, err := unix.MmapPtr(int(i.file.Fd()), int64(offset), unsafe.Pointer(unsafe.SliceData(guest)), uintptr(len(guest)),
		readWrite, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}

// freeze initialises a lifted module once and takes the image.
func (h *Host) freeze(ctx context.Context, m *module) (taken *image, err error) {
	err = h.ask(ctx, m, func(ctx context.Context, k *call, guest api.Module) error {
		if err := initialise(ctx, m, k, guest); err != nil {
			return err
		}
		memory := readBuffer(guest, 0, guest.Memory().Size())
		file, err := sealedFile(memory)
		if err != nil {
			return err
		}
		view, err := unix.Mmap(int(file.Fd()), 0, len(memory), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return errors.Join(fmt.Errorf("image: %w", err), file.Close())
		}
		taken = &image{file: file, view: view, size: uint64(len(memory)), clock: k.clock}
		for _, name := range m.lifted.Globals {
			taken.globals = append(taken.globals, guest.ExportedGlobal(name).Get())
		}
		return nil
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
	for _, name := range []string{rewrite.Start, exportInitialize} {
		if f := guest.ExportedFunction(name); f != nil {
			if _, err := k.enter(ctx, f); err != nil {
				return err
			}
		}
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
