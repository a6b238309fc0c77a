package hostile

import "thresher/core/job"

// endless use up what they have: time, gas, memory.
func endless() []Attack {
	simulation := func(step []byte) []byte { return Module{Manifest: Manifest("simulation"), Step: step}.Encode() }
	// Memory: doubled to the limit, or a page at a time, by a guest that dies without.
	needs := func(pages int32) []byte {
		return Module{Run: Forever(I32Const(pages), Grow, I32Const(-1), []byte{0x46}, ifVoid, Unreachable, end)}.Encode()
	}
	large := Module{Pages: 200}
	large.Run = Forever(I32Const(0), I32Const(1), I32Const(200<<16), []byte{0xfc, 11, 0})
	overlapping := Module{Pages: 200}
	overlapping.Run = Forever(I32Const(1), I32Const(0), I32Const(200<<16-1), []byte{0xfc, 10, 0, 0})
	more := Module{Table: 1, Filled: true}
	more.Run = Forever([]byte{0xd0, 0x70}, I32Const(1000), []byte{0xfc, 15, 0}, Drop)
	leak := Forever(Code([]byte{0xd2}, uleb(Self(0)), Drop))
	return ending("gas_limit",
		Attack{Name: "loop", Does: "loops for ever", Wasm: Module{Run: LoopForever}.Encode()},
		Attack{Name: "loop_by_the_wall", Does: "loops for ever, by the clock on the wall", Code: "wall_limit",
			Limits: job.Limits{WallSeconds: 0.1, Gas: 1 << 50}, Wasm: Module{Run: LoopForever}.Encode()},
		Attack{Name: "loop_by_the_cpu", Does: "loops for ever, by the clock of its thread", Code: "cpu_limit",
			Limits: job.Limits{CPUSeconds: 0.1, Gas: 1 << 50}, Wasm: Module{Run: LoopForever}.Encode()},
		Attack{Name: "call_tree", Does: "calls itself twice, seventy deep: no loop and no end", Wasm: Module{Run: Code(
			LocalGet0, I32Const(70), []byte{0x4e}, ifVoid, I32Const(0), []byte{0x0f}, end,
			LocalGet0, I32Const(1), []byte{0x6a}, Call(Self(0)), Drop,
			LocalGet0, I32Const(1), []byte{0x6a}, Call(Self(0)))}.Encode()},
		Attack{Name: "needs_a_lot", Does: "grows by 1 MiB until it may not, and dies", Code: "memory_limit", Wasm: needs(16)},
		Attack{Name: "needs_a_page_more", Does: "grows by a page until it may not, and dies", Code: "memory_limit", Wasm: needs(1)},
		Attack{Name: "grows_by_everything", Does: "grows by 4 294 967 295 pages, is refused, and goes on", Code: None, Wasm: runs(I32Const(-1), Grow, Drop)},
		Attack{Name: "grows_for_ever", Does: "asks for what it cannot have for ever", Wasm: Module{Run: Forever(I32Const(60_000), Grow, Drop)}.Encode()},
		Attack{Name: "fills_for_ever", Does: "fills 12 MiB again and again", Wasm: large.Encode()},
		Attack{Name: "copies_for_ever", Does: "copies 12 MiB over themselves again and again", Wasm: overlapping.Encode()},
		Attack{Name: "table_grows", Does: "grows its table for ever", Wasm: more.Encode()},
		Attack{Name: "ref_func_leak", Does: "makes references to functions for ever", Wasm: Module{Run: leak}.Encode()},
		Attack{Name: "sleeps", Does: "sleeps for ever", Wasm: calling(wasi("poll_oneoff", I32, I32, I32, I32), nil,
			Store(2088, -1), Store(2092, -1), I32Const(2064), I32Const(4096), I32Const(1), I32Const(8192))},
		Attack{Name: "polls", Does: "waits for 1024 things at once for ever", Wasm: calling(wasi("poll_oneoff", I32, I32, I32, I32), nil,
			I32Const(1<<20), I32Const(2<<20), I32Const(1024), I32Const(0))},
		Attack{Name: "asks_the_time", Does: "asks what time it is for ever", Wasm: calling(wasi("clock_time_get", I32, I64, I32), nil, I32Const(0), I64Const(0), I32Const(0))},
		Attack{Name: "throws_dice", Does: "asks for 12 MiB of random numbers for ever", Wasm: calling(wasi("random_get", I32, I32), nil, I32Const(0), I32Const(200<<16))},
		Attack{Name: "yields", Does: "gives way for ever", Wasm: calling(wasi("sched_yield"), nil)},
		Attack{Name: "step_loops", Does: "is a simulation whose step does not return", Wasm: simulation(LoopForever)},
		Attack{Name: "steps_without_an_end", Does: "is a simulation that is never done, by the clock on the wall", Code: "wall_limit",
			Limits: job.Limits{WallSeconds: 0.1, Gas: 1 << 50}, Wasm: simulation(I32Const(0))},
		Attack{Name: "steps_by_the_cpu", Does: "is a simulation that is never done, by the clock of its thread", Code: "cpu_limit",
			Limits: job.Limits{CPUSeconds: 0.1, Gas: 1 << 50}, Wasm: simulation(I32Const(0))},
		Attack{Name: "steps_of_nothing", Does: "is a simulation that is never done, and whose steps do nothing", Wasm: simulation(I32Const(0))},
		Attack{Name: "sorts_for_ever", Does: "has the host sort 1.6 million numbers for ever", Wasm: calling(
			host("vector_sort", []byte{I64}, I32, I32), nil, Store(8, -1), Store(16, 64), Store(24, 1_600_000), I32Const(8), I32Const(64))},
	)
}
