package sandbox

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// wasiModule is WASI preview 1, as far as a guest without a world needs it: no files,
// and arguments, environment and standard input for commands only (command.go). Standard output and error are the job's
// log. The clock is virtual: it starts at a fixed moment and moves only when the
// guest asks for the time or sleeps, so that a run repeats exactly.
const wasiModule = "wasi_snapshot_preview1"

// The errors that our WASI returns.
const (
	wasiOK     = 0
	wasiBadFD  = 8
	wasiFault  = 21
	wasiInval  = 28
	wasiNoSys  = 52
	wasiSPipe  = 70
	wasiNotCap = 76
)

// wasiFunctions is the module. What reaches out of the sandbox is answered by an
// error, so that a program can be linked with it and told no.
var wasiFunctions = map[string]hostFunction{
	"args_get":              wasi(argsGet, i32, i32),
	"args_sizes_get":        wasi(argsSizes, i32, i32),
	"environ_get":           wasi(environGet, i32, i32),
	"environ_sizes_get":     wasi(environSizes, i32, i32),
	"clock_res_get":         wasi(clockResolution, i32, i32),
	"clock_time_get":        wasi(clockTime, i32, i64, i32),
	"random_get":            wasi(randomGet, i32, i32),
	"sched_yield":           wasi(answer(wasiOK)),
	"poll_oneoff":           wasi(poll, i32, i32, i32, i32),
	"proc_exit":             {types(i32), nil, procExit},
	"proc_raise":            wasi(answer(wasiNoSys), i32),
	"fd_write":              wasi(fdWrite, i32, i32, i32, i32),
	"fd_read":               wasi(fdRead, i32, i32, i32, i32),
	"fd_close":              wasi(answer(wasiOK), i32),
	"fd_fdstat_get":         wasi(fdStat, i32, i32),
	"fd_fdstat_set_flags":   wasi(answer(wasiOK), i32, i32),
	"fd_fdstat_set_rights":  wasi(answer(wasiNotCap), i32, i64, i64),
	"fd_prestat_get":        wasi(answer(wasiBadFD), i32, i32),
	"fd_prestat_dir_name":   wasi(answer(wasiBadFD), i32, i32, i32),
	"fd_seek":               wasi(ofStream(wasiSPipe), i32, i64, i32, i32),
	"fd_tell":               wasi(ofStream(wasiSPipe), i32, i32),
	"fd_advise":             wasi(answer(wasiBadFD), i32, i64, i64, i32),
	"fd_allocate":           wasi(answer(wasiBadFD), i32, i64, i64),
	"fd_datasync":           wasi(ofStream(wasiInval), i32),
	"fd_sync":               wasi(ofStream(wasiInval), i32),
	"fd_filestat_get":       wasi(fileStat, i32, i32),
	"fd_filestat_set_size":  wasi(answer(wasiBadFD), i32, i64),
	"fd_filestat_set_times": wasi(answer(wasiBadFD), i32, i64, i64, i32),
	"fd_pread":              wasi(answer(wasiBadFD), i32, i32, i32, i64, i32),
	"fd_pwrite":             wasi(answer(wasiBadFD), i32, i32, i32, i64, i32),
	"fd_readdir":            wasi(answer(wasiBadFD), i32, i32, i32, i64, i32),
	"fd_renumber":           wasi(answer(wasiBadFD), i32, i32),

	"path_create_directory":   wasi(answer(wasiNotCap), i32, i32, i32),
	"path_filestat_get":       wasi(answer(wasiNotCap), i32, i32, i32, i32, i32),
	"path_filestat_set_times": wasi(answer(wasiNotCap), i32, i32, i32, i32, i64, i64, i32),
	"path_link":               wasi(answer(wasiNotCap), i32, i32, i32, i32, i32, i32, i32),
	"path_open":               wasi(answer(wasiNotCap), i32, i32, i32, i32, i32, i64, i64, i32, i32),
	"path_readlink":           wasi(answer(wasiNotCap), i32, i32, i32, i32, i32, i32),
	"path_remove_directory":   wasi(answer(wasiNotCap), i32, i32, i32),
	"path_rename":             wasi(answer(wasiNotCap), i32, i32, i32, i32, i32, i32),
	"path_symlink":            wasi(answer(wasiNotCap), i32, i32, i32, i32, i32),
	"path_unlink_file":        wasi(answer(wasiNotCap), i32, i32, i32),

	"sock_accept":   wasi(answer(wasiNotCap), i32, i32, i32),
	"sock_recv":     wasi(answer(wasiNotCap), i32, i32, i32, i32, i32, i32),
	"sock_send":     wasi(answer(wasiNotCap), i32, i32, i32, i32, i32),
	"sock_shutdown": wasi(answer(wasiNotCap), i32, i32),
}

func exportWASI(ctx context.Context, r wazero.Runtime) error {
	return export(ctx, r, wasiModule, wasiFunctions)
}

// wasi makes a host function that returns an error number.
func wasi(f func(ctx context.Context, k *call, guest api.Module, args []uint64) uint32, params ...api.ValueType) hostFunction {
	return hostFunction{params, types(i32), func(ctx context.Context, k *call, guest api.Module, stack []uint64) {
		stack[0] = uint64(f(ctx, k, guest, stack[:len(params)]))
	}}
}

func answer(errno uint32) func(context.Context, *call, api.Module, []uint64) uint32 {
	return func(context.Context, *call, api.Module, []uint64) uint32 { return errno }
}

// ofStream answers what files can do and the three standard streams cannot: as a pipe
// does.
func ofStream(errno uint32) func(context.Context, *call, api.Module, []uint64) uint32 {
	return func(_ context.Context, _ *call, _ api.Module, args []uint64) uint32 {
		if args[0] > 2 {
			return wasiBadFD
		}
		return errno
	}
}

// texts writes the addresses of texts to one place and the texts, with a zero behind
// each, to another.
func (k *call) texts(ctx context.Context, guest api.Module, all []string, addresses, content uint64) uint32 {
	memory := guest.Memory()
	for i, text := range all {
		k.work(ctx, buffers, 1)
		view, ok := memory.Read(uint32(content), uint32(len(text)+1))
		if !ok || !memory.WriteUint32Le(uint32(addresses)+uint32(4*i), uint32(content)) {
			return wasiFault
		}
		for len(text) > 0 {
			part := text[:min(len(text), partBytes)]
			k.work(ctx, copied, len(part))
			view, text = view[copy(view, part):], text[len(part):]
		}
		view[0] = 0
		content += uint64(len(all[i]) + 1)
	}
	return wasiOK
}

func (k *call) sizes(ctx context.Context, guest api.Module, all []string, count, bytes uint64) uint32 {
	k.work(ctx, buffers, len(all))
	n := 0
	for _, text := range all {
		n += len(text) + 1
	}
	return writeAll(guest, [2]uint64{count, uint64(len(all))}, [2]uint64{bytes, uint64(n)})
}

func argsGet(ctx context.Context, k *call, guest api.Module, at []uint64) uint32 {
	return k.texts(ctx, guest, k.program.arguments(), at[0], at[1])
}

func argsSizes(ctx context.Context, k *call, guest api.Module, at []uint64) uint32 {
	return k.sizes(ctx, guest, k.program.arguments(), at[0], at[1])
}

func environGet(ctx context.Context, k *call, guest api.Module, at []uint64) uint32 {
	return k.texts(ctx, guest, k.program.environment(), at[0], at[1])
}

func environSizes(ctx context.Context, k *call, guest api.Module, at []uint64) uint32 {
	return k.sizes(ctx, guest, k.program.environment(), at[0], at[1])
}

// writeAll writes pairs of an address and a 32-bit value.
func writeAll(guest api.Module, pairs ...[2]uint64) uint32 {
	for _, p := range pairs {
		if !guest.Memory().WriteUint32Le(uint32(p[0]), uint32(p[1])) {
			return wasiFault
		}
	}
	return wasiOK
}

// tick is how far the clock moves each time it is read: enough for code that
// waits for time to pass.
const tick = 1000 // nanoseconds

func clockTime(_ context.Context, k *call, guest api.Module, args []uint64) uint32 {
	if args[0] > 3 {
		return wasiInval
	}
	k.clock += tick
	if !guest.Memory().WriteUint64Le(uint32(args[2]), uint64(k.clock)) {
		return wasiFault
	}
	return wasiOK
}

func clockResolution(_ context.Context, _ *call, guest api.Module, args []uint64) uint32 {
	if args[0] > 3 {
		return wasiInval
	}
	if !guest.Memory().WriteUint64Le(uint32(args[1]), tick) {
		return wasiFault
	}
	return wasiOK
}

func randomGet(ctx context.Context, k *call, guest api.Module, args []uint64) uint32 {
	view, ok := guest.Memory().Read(uint32(args[0]), uint32(args[1]))
	if !ok {
		return wasiFault
	}
	for part := range slices.Chunk(view, partBytes) {
		k.work(ctx, drawn, len(part))
		_, _ = k.random().Read(part) // it never fails
	}
	return wasiOK
}

// procExit ends the guest. Whatever the code, a routine that does not return has
// not done its work.
func procExit(_ context.Context, _ *call, _ api.Module, stack []uint64) {
	panic(exit{uint32(stack[0])})
}

// vectorBytes is what a buffer takes in a list of them: its address and its length.
const vectorBytes = 8

// vectorsAt returns a list of buffers as it stands in the guest's memory.
func vectorsAt(guest api.Module, at, count uint32) (list []byte, wrong uint32) {
	if count > 1024 {
		return nil, wasiInval
	}
	list, ok := guest.Memory().Read(at, vectorBytes*count)
	if !ok {
		return nil, wasiFault
	}
	return list, wasiOK
}

// vectorAt returns the memory of a buffer of such a list.
func vectorAt(guest api.Module, v []byte) (buffer []byte, ok bool) {
	return guest.Memory().Read(binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint32(v[4:]))
}

// fdWrite appends to the job's log, or to what a command writes.
func fdWrite(ctx context.Context, k *call, guest api.Module, args []uint64) uint32 {
	fd, vectors, count, written := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint32(args[3])
	if fd != 1 && fd != 2 {
		return wasiBadFD
	}
	list, wrong := vectorsAt(guest, vectors, count)
	if wrong != wasiOK {
		return wrong
	}
	total := uint32(0)
	for v := range slices.Chunk(list, vectorBytes) {
		text, ok := vectorAt(guest, v)
		if !ok {
			return wasiFault
		}
		k.work(ctx, buffers, 1)
		if fd == 1 && k.program != nil {
			k.writeOutput(ctx, text)
		} else {
			k.log(ctx, text)
		}
		total += uint32(len(text))
	}
	return writeAll(guest, [2]uint64{uint64(written), uint64(total)})
}

// fdRead reads standard input: a command's tables, or nothing. It reads what one piece
// of the buffers takes: whoever wants more asks again.
func fdRead(ctx context.Context, k *call, guest api.Module, args []uint64) uint32 {
	fd, vectors, count, read := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint64(uint32(args[3]))
	if fd != 0 {
		return wasiBadFD
	}
	list, wrong := vectorsAt(guest, vectors, count)
	if wrong != wasiOK {
		return wrong
	}
	for v := range slices.Chunk(list, vectorBytes) {
		k.work(ctx, buffers, 1)
		room, ok := vectorAt(guest, v)
		if !ok {
			return wasiFault
		}
		if len(room) == 0 {
			continue
		}
		n := k.readInput(ctx, room[:min(len(room), 1<<20)])
		return writeAll(guest, [2]uint64{read, uint64(n)})
	}
	return writeAll(guest, [2]uint64{read, 0})
}

// What a standard stream may be used for.
const (
	rightRead  = 1 << 1
	rightWrite = 1 << 6
	rightPoll  = 1 << 27
)

// streamType is the file type of the standard streams. Those of a command are pipes,
// for which WASI has no type: a program that took them for a terminal would colour what
// it writes, or ask. Of a reactor they are a terminal, so that C's library writes out
// each line of the log as it comes: nothing flushes it in the end.
func (k *call) streamType() byte {
	if k.program != nil {
		return 0 // unknown
	}
	return 2 // character device
}

// fdStat says what the three standard streams are.
func fdStat(_ context.Context, k *call, guest api.Module, args []uint64) uint32 {
	if args[0] > 2 {
		return wasiBadFD
	}
	stat := [24]byte{k.streamType()}
	rights := uint64(rightWrite | rightPoll)
	if args[0] == 0 {
		rights = rightRead | rightPoll
	}
	binary.LittleEndian.PutUint64(stat[8:], rights)
	if !guest.Memory().Write(uint32(args[1]), stat[:]) {
		return wasiFault
	}
	return wasiOK
}

// fileStat is the same for programs that ask for more: a size and times of 0.
func fileStat(_ context.Context, k *call, guest api.Module, args []uint64) uint32 {
	if args[0] > 2 {
		return wasiBadFD
	}
	var stat [64]byte
	stat[16], stat[24] = k.streamType(), 1 // links
	if !guest.Memory().Write(uint32(args[1]), stat[:]) {
		return wasiFault
	}
	return wasiOK
}

// The layout of a subscription and an event of poll_oneoff.
const (
	subscriptionSize = 48
	eventSize        = 32
	maxSubscriptions = 1024
)

// poll sleeps without waiting: the clock moves to the earliest moment that the guest
// waits for. Reading and writing are always possible.
func poll(ctx context.Context, k *call, guest api.Module, args []uint64) uint32 {
	in, out, n, done := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint32(args[3])
	if n == 0 || n > maxSubscriptions {
		return wasiInval
	}
	k.work(ctx, buffers, int(n))
	subscriptions, ok := guest.Memory().Read(in, n*subscriptionSize)
	if !ok {
		return wasiFault
	}
	events, ok := guest.Memory().Read(out, n*eventSize)
	if !ok {
		return wasiFault
	}
	wake := k.earliest(subscriptions)
	ready := uint32(0)
	for s := range slices.Chunk(slices.Clone(subscriptions), subscriptionSize) {
		kind := s[8]
		if kind == 0 && k.due(s) > wake {
			continue
		}
		event := events[ready*eventSize : (ready+1)*eventSize]
		clear(event)
		copy(event, s[:8]) // the caller's own mark
		event[10] = kind
		ready++
	}
	k.clock = max(k.clock, wake)
	return writeAll(guest, [2]uint64{uint64(done), uint64(ready)})
}

// earliest is when the first subscription is due: now, if any is not a clock.
func (k *call) earliest(subscriptions []byte) int64 {
	wake := int64(-1)
	for s := range slices.Chunk(subscriptions, subscriptionSize) {
		due := k.clock
		if s[8] == 0 {
			due = k.due(s)
		}
		if wake < 0 || due < wake {
			wake = due
		}
	}
	return wake
}

// due is the moment a clock subscription waits for. A guest may name any: the
// clock stays within what fits.
func (k *call) due(subscription []byte) int64 {
	const longest = int64(100 * 365 * 24 * 3600 * 1e9)
	timeout := int64(min(binary.LittleEndian.Uint64(subscription[24:]), uint64(longest)))
	if absolute := subscription[40]&1 == 1; absolute {
		return max(timeout, k.clock)
	}
	return min(k.clock+timeout, epoch+2*longest)
}
