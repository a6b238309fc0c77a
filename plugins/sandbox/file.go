package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/abi"
)

// fileRead puts bytes of an importer's file into the guest's memory: as many as there
// is room for, fewer at the end of the file, and 0 behind it.
func fileRead(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	offset, ptr, room := int64(stack[0]), uint32(stack[1]), uint32(stack[2])
	if k.File == nil {
		notFound := abi.NotFound
		stack[0] = uint64(notFound)
		return
	}
	if offset < 0 {
		panic(violation("file_read at %d: there is nothing before the beginning", offset))
	}
	view := readBuffer(guest, ptr, room)
	view = view[:min(int64(len(view)), max(k.File.Bytes-offset, 0))]
	n := 0
	for part := range slices.Chunk(view, partBytes) { // so that it can be ended on the way
		k.work(ctx, copied, len(part))
		read, err := k.File.ReadAt(part, offset+int64(n))
		n += read
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(hostError{fmt.Errorf("read an importer's file: %w", err)})
		}
	}
	stack[0] = uint64(n)
}
