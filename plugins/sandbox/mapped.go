package sandbox

import (
	"context"
	"os"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/table"
	"thresher/plugins/abi"
)

// inputLayout says where the columns of a record batch are in an input's file:
// input_layout(input, batch, buffer, room) → bytes. If the room is too small nothing
// is written; the number of bytes is returned all the same.
func inputLayout(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	input, batch := int(int32(stack[0])), int(int32(stack[1]))
	ptr, room := uint32(stack[2]), uint32(stack[3])
	if input < 0 || input >= len(k.inputs) || batch < 0 || batch >= k.inputs[input].NumBatches() {
		missing := abi.NotFound
		stack[0] = uint64(missing)
		return
	}
	f := k.inputs[input]
	size := table.LayoutBytes(f.Schema().NumFields())
	stack[0] = uint64(size)
	if size > int(room) {
		return
	}
	out := readBuffer(guest, ptr, uint32(size))
	k.work(ctx, columnsRead, f.Schema().NumFields())
	l, err := f.Layout(batch)
	if err != nil {
		panic(hostError{err})
	}
	copy(out, l.Encode())
}

// inputMap puts bytes of an input's file into the guest's memory without copying
// them: input_map(input, offset, bytes, buffer, room) → pointer. The bytes are
// somewhere in the buffer, which must have room for abi.MapRoom more than them; what
// else was in it is lost. What the guest writes there stays its own.
func inputMap(ctx context.Context, k *call, guest api.Module, stack []uint64) {
	input, offset, size := int(int32(stack[0])), int64(stack[1]), int64(stack[2])
	buffer, room := uint32(stack[3]), uint32(stack[4])
	if input < 0 || input >= len(k.inputs) {
		panic(violation("input_map of input %d: there are %d", input, len(k.inputs)))
	}
	f := k.inputs[input]
	if offset < 0 || size < 0 || offset > f.Size()-size {
		panic(violation("input_map of %d bytes from %d: the file has %d", size, offset, f.Size()))
	}
	if int64(room)-abi.MapRoom < size {
		panic(violation("input_map of %d bytes into %d: want room for %d more", size, room, abi.MapRoom))
	}
	readBuffer(guest, buffer, room)
	stack[0] = k.place(ctx, f, offset, size, uint64(buffer))
}

// place maps bytes of a table's file behind an address, or copies them where they
// are few or cannot be mapped, and returns where they are.
func (k *call) place(ctx context.Context, f *table.File, offset, size int64, buffer uint64) uint64 {
	page := int64(os.Getpagesize())
	first := offset / page * page // mappings start with a page
	at := (buffer + uint64(page) - 1) / uint64(page) * uint64(page)
	data := at + uint64(offset-first)
	if canMap && size >= page && page <= abi.MapRoom/4 && len(k.memory.mapped) < maxMapped {
		if err := k.memory.mapFile(f.OS(), first, at, uint64(size+offset-first)); err == nil {
			return data
		}
	}
	for part := range slices.Chunk(k.memory.reserved[data:data+uint64(size)], partBytes) {
		k.work(ctx, copied, len(part))
		if _, err := f.OS().ReadAt(part, offset); err != nil {
			panic(hostError{err})
		}
		offset += int64(len(part))
	}
	return data
}

// maxMapped bounds the mappings of one job: the kernel has so many for the process.
const maxMapped = 256
