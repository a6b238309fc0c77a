package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"thresher/core/job"
	"thresher/core/work"
	"thresher/plugins/hostile"
)

// endless is a kind of work that does not end by itself, or that is done again and
// again.
type endless struct {
	name    string
	wasm    []byte        // a forged module
	guest   guest         // or one of bench/guests, and its routine
	routine string        // default: attack, the one of a forged module
	upTo    time.Duration // how long it may have run when it is paused or stopped; default 5 ms
}

const gigabyte = 1 << 30

// endlessWork is every kind of work that a guest can be found at.
func endlessWork(b *bench) []endless {
	var all []endless
	for _, g := range b.guests {
		all = append(all,
			endless{name: "a loop, " + g.name, guest: g, routine: "spin"},
			endless{name: "recursion, " + g.name, guest: g, routine: "recurse"},
			endless{name: "sorting, " + g.name, guest: g, routine: "sort"})
	}
	clock := hostile.Function{Module: "wasi_snapshot_preview1", Name: "clock_time_get", Params: []byte{hostile.I32, hostile.I64, hostile.I32}, Results: []byte{hostile.I32}}
	poll := hostile.Function{Module: clock.Module, Name: "poll_oneoff", Params: []byte{hostile.I32, hostile.I32, hostile.I32, hostile.I32}, Results: []byte{hostile.I32}}
	return append(all,
		endless{name: "an empty loop", wasm: hostile.Module{Run: hostile.LoopForever}.Encode()},
		endless{name: "a tree of 2^64 calls", wasm: hostile.Module{Run: tree(hostile.Self(0))}.Encode()},
		endless{name: "that, below 100 000 calls", wasm: deepTree()},
		endless{name: "calls until the stack ends", wasm: hostile.Module{Run: hostile.Code(hostile.LocalGet0, hostile.Call(hostile.Self(0)))}.Encode()},
		endless{name: "sleeps", wasm: hostile.Module{Imports: []hostile.Function{poll},
			Run: hostile.Forever(hostile.Push(2048, 3072, 1, 4096), hostile.Call(0), hostile.Drop)}.Encode()},
		endless{name: "asking the time", wasm: hostile.Module{Imports: []hostile.Function{clock},
			Run: hostile.Forever(hostile.Push(0), hostile.I64Const(0), hostile.Push(8), hostile.Call(0), hostile.Drop)}.Encode()},
		endless{name: "64 MiB of random numbers", upTo: 100 * millisecond, wasm: hostile.Module{Imports: []hostile.Function{random},
			Run: hostile.Code(grow(64<<20), hostile.Forever(hostile.Push(1<<16, 64<<20), hostile.Call(0), hostile.Drop))}.Encode()},
		endless{name: "16 MiB of rows", upTo: 50 * millisecond, wasm: appending()},
		endless{name: "a result of 16 MiB", upTo: 50 * millisecond, wasm: handingOver()},
		endless{name: "filling 1 GiB", upTo: 200 * millisecond, wasm: hostile.Module{
			Run: hostile.Code(grow(gigabyte), hostile.Forever(hostile.Push(1<<16, 1, gigabyte), []byte{0xfc, 11, 0}))}.Encode()},
		endless{name: "copying 1 GiB", upTo: 200 * millisecond, wasm: hostile.Module{
			Run: hostile.Code(grow(gigabyte), hostile.Forever(hostile.Push(1<<15, 1<<16, gigabyte), []byte{0xfc, 10, 0, 0}))}.Encode()},
		endless{name: "kernel: sort of 8 million", upTo: 200 * millisecond, wasm: sorting("vector_sort", 8<<20)},
		endless{name: "kernel: argsort of 8 million", upTo: 200 * millisecond, wasm: sorting("vector_argsort", 8<<20)},
	)
}

const millisecond = time.Millisecond

var random = hostile.Function{Module: "wasi_snapshot_preview1", Name: "random_get", Params: []byte{hostile.I32, hostile.I32}, Results: []byte{hostile.I32}}

// grow makes room for so many bytes behind the first page.
func grow(bytes int32) []byte {
	return hostile.Code(hostile.I32Const(bytes>>16), hostile.Grow, hostile.Drop)
}

// tree is f(n) = n == 64 ? 0 : f(n+1) + f(n+1), without a loop.
func tree(self uint32) []byte {
	branch := hostile.Code(hostile.LocalGet0, hostile.I32Const(1), []byte{0x6a}, hostile.Call(self))
	return hostile.Code(hostile.LocalGet0, hostile.I32Const(64), []byte{0x46, 0x04, 0x7f}, hostile.I32Const(0), []byte{0x05}, branch, branch, []byte{0x6a, 0x0b})
}

// deepTree grows such a tree below many calls: f(n) = n == 0 ? tree(0) : f(n-1).
func deepTree() []byte {
	down, leaves := hostile.Further(0, 0), hostile.Further(0, 1)
	return hostile.Module{
		Run: hostile.Code(hostile.I32Const(100_000), hostile.Call(down)),
		More: [][]byte{
			hostile.Code(hostile.LocalGet0, []byte{0x45, 0x04, 0x7f}, hostile.I32Const(0), hostile.Call(leaves), []byte{0x05},
				hostile.LocalGet0, hostile.I32Const(1), []byte{0x6b}, hostile.Call(down), []byte{0x0b}),
			tree(leaves),
		},
	}.Encode()
}

// sorting has a kernel sort random numbers, again and again.
func sorting(kernel string, n int32) []byte {
	const at = 1 << 16
	f := hostile.Function{Module: "thresher", Name: kernel, Params: []byte{hostile.I32, hostile.I32}, Results: []byte{hostile.I64}}
	call := hostile.Code(hostile.Push(2048, at), hostile.Call(0))
	if kernel == "vector_argsort" {
		f.Params = append(f.Params, hostile.I32)
		call = hostile.Code(hostile.Push(2048, at+8*n, at+12*n), hostile.Call(0)) // the numbers of rows, and room
	}
	descriptor := hostile.Code(hostile.Store(2048, -1), hostile.Store(2052, 1), hostile.Store(2056, at), hostile.Store(2064, n))
	return hostile.Module{Imports: []hostile.Function{f, random},
		Run: hostile.Code(grow(20*n), descriptor, hostile.Forever(hostile.Push(at, 8*n), hostile.Call(1), hostile.Drop, call, hostile.Drop))}.Encode()
}

// handingOver writes a number of 16 million digits as its result.
func handingOver() []byte {
	f := hostile.Function{Module: "thresher", Name: "result_write", Params: []byte{hostile.I32, hostile.I32}}
	return hostile.Module{Imports: []hostile.Function{f},
		Run: hostile.Code(grow(16<<20), hostile.Push(1<<16, '1', 16<<20), []byte{0xfc, 11, 0}, hostile.Forever(hostile.Push(1<<16, 16<<20), hostile.Call(0)))}.Encode()
}

// appending appends rows with a text of no letters.
func appending() []byte {
	const name, columns = "t", `[{"name":"c","type":"string"}]`
	const at, rows = 1 << 16, 4<<20 - 17
	manifest := hostile.Manifest("analysis")
	buffers := (1024 + len(manifest) + len(name+columns) + 3) / 4 * 4
	var parts []byte // validity, values and offsets, each as pointer and length
	for _, v := range []uint32{0, 0, at, 64, at + 64, 4 * (rows + 1)} {
		parts = binary.LittleEndian.AppendUint32(parts, v)
	}
	memory := manifest + name + columns
	memory += strings.Repeat(" ", buffers-1024-len(memory)) + string(parts)
	start := int32(1024 + len(manifest))
	f := hostile.Function{Module: "thresher", Name: "table_append", Params: []byte{hostile.I32, hostile.I32, hostile.I32, hostile.I32, hostile.I64, hostile.I32}}
	return hostile.Module{Imports: []hostile.Function{f}, Manifest: memory, Describe: hostile.I64Const(1024<<32 | int64(len(manifest))),
		Run: hostile.Code(grow(17<<20), hostile.Forever(hostile.Push(start, int32(len(name)), start+int32(len(name)), int32(len(columns))),
			hostile.I64Const(rows), hostile.Push(int32(buffers)), hostile.Call(0)))}.Encode()
}

// load makes the module known to the host.
func (e *endless) load(ctx context.Context, b *bench) error {
	if e.wasm == nil {
		return nil
	}
	p, err := b.host.Load(ctx, e.wasm, false)
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	e.guest, e.routine = guest{digest: p.Digest}, "attack"
	return nil
}

// run does the work until the context ends, and returns how it ended.
func (e *endless) run(ctx context.Context, b *bench, host work.Host) error {
	c := call(e.guest, e.routine, host)
	c.Limits.MemoryBytes, c.Limits.OutputBytes = 2*gigabyte, gigabyte
	for {
		_, err := b.host.Run(ctx, c)
		var failed *job.Error
		if err != nil && !(errors.As(err, &failed) && failed.Code == "stack_limit") {
			return err
		}
	}
}
