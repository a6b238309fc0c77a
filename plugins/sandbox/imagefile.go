package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"thresher/plugins/sandbox/binary"
)

// imageBlock is how much of an image's file is in memory at once while it is written.
const imageBlock = 64 << 10

// writeData makes the file of a memory of that size, with the data segments in it.
func writeData(ctx context.Context, f *os.File, segments []binary.Data, size uint64) error {
	if err := f.Truncate(int64(size)); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	w := blockWriter{file: f, size: size}
	for i, d := range segments {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if uint64(d.Offset)+uint64(len(d.Bytes)) > size {
			return violation("data segment %d is outside the memory: %d bytes at %d", i, len(d.Bytes), d.Offset)
		}
		if err := w.write(uint64(d.Offset), d.Bytes); err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
	if err := w.flush(); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

// blockWriter writes to a file of a known size, a block at a time: modules of Go have
// thousands of small segments, one after the other.
type blockWriter struct {
	file  *os.File
	size  uint64
	at    uint64 // of the block
	block []byte // as it is to be; nil: none yet
	old   []byte // as it is in the file
}

func (w *blockWriter) write(offset uint64, content []byte) error {
	for len(content) > 0 {
		if err := w.move(offset / imageBlock * imageBlock); err != nil {
			return err
		}
		n := copy(w.block[offset-w.at:], content)
		content, offset = content[n:], offset+uint64(n)
	}
	return nil
}

// move goes to the block at an offset.
func (w *blockWriter) move(at uint64) error {
	if w.block != nil && at == w.at {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	n := min(w.size-at, imageBlock)
	if w.block == nil {
		w.block, w.old = make([]byte, imageBlock), make([]byte, imageBlock)
	}
	w.at, w.block, w.old = at, w.block[:n], w.old[:n]
	_, err := w.file.ReadAt(w.old, int64(at))
	copy(w.block, w.old)
	return err
}

func (w *blockWriter) flush() error { return writePages(w.file, w.at, w.block, w.old) }

// writePages writes the pages at an offset that differ from what is in the file. Zeros
// where nothing was written stay holes.
func writePages(f *os.File, at uint64, pages, old []byte) error {
	page := os.Getpagesize()
	for from := 0; from < len(pages); from += page {
		to := min(from+page, len(pages))
		if bytes.Equal(pages[from:to], old[from:to]) {
			continue
		}
		if _, err := f.WriteAt(pages[from:to], int64(at)+int64(from)); err != nil {
			return err
		}
	}
	return nil
}

// writeChanges writes to the file what a guest has made of its memory, which may have
// grown. The memory is given back on the way, and has to be unmapped next.
func writeChanges(f *os.File, memory []byte) error {
	if err := f.Truncate(int64(len(memory))); err != nil {
		return err
	}
	old := make([]byte, imageBlock)
	for at := 0; at < len(memory); at += imageBlock {
		block := memory[at:min(at+imageBlock, len(memory))]
		if _, err := f.ReadAt(old[:len(block)], int64(at)); err != nil {
			return err
		}
		if err := writePages(f, uint64(at), block, old); err != nil {
			return err
		}
		if err := punchZeros(f, int64(at), block); err != nil {
			return err
		}
		if err := unix.Madvise(block, unix.MADV_DONTNEED); err != nil {
			return err
		}
	}
	return nil
}

// punchZeros makes holes of those whole pages at an offset that are zeros: the kernel
// fills a hole as soon as it is read through a mapping.
func punchZeros(f *os.File, at int64, pages []byte) error {
	page := os.Getpagesize()
	zeros := make([]byte, page)
	for from := 0; from < len(pages); {
		to := from
		for to < len(pages) && bytes.Equal(pages[to:to+page], zeros) {
			to += page
		}
		if to > from {
			if err := punch(f, at+int64(from), int64(to-from)); err != nil {
				return err
			}
		}
		from = to + page
	}
	return nil
}
