package hostile

// starts attack while they are loaded: before there is a job that could be stopped.
func starts() []Attack {
	write := wasi("fd_write", I32, I32, I32, I32)
	late := func(f Function, code []byte) []byte { return Module{Imports: []Function{f}, Late: code}.Encode() }
	return refused("describe_failed",
		Attack{Name: "start_loops", Does: "loops for ever in its start function", Wasm: Module{Start: LoopForever}.Encode()},
		Attack{Name: "start_traps", Does: "crashes in its start function", Wasm: Module{Start: Unreachable}.Encode()},
		Attack{Name: "start_grows", Does: "grows its memory for ever in its start function",
			Wasm: Module{Start: Forever(I32Const(1), Grow, Drop)}.Encode()},
		Attack{Name: "start_exits", Does: "exits with 0 in its start function",
			Wasm: Module{Imports: []Function{exit}, Start: Code(I32Const(0), Call(0))}.Encode()},
		Attack{Name: "initialize_loops", Does: "loops for ever in _initialize", Wasm: Module{Late: LoopForever}.Encode()},
		Attack{Name: "initialize_grows", Does: "grows its memory for ever in _initialize",
			Wasm: Module{Late: Forever(I32Const(1), Grow, Drop)}.Encode()},
		Attack{Name: "initialize_logs", Does: "prints for ever in _initialize",
			Wasm: late(write, Forever(Store(16, 1024), Store(20, 60_000), I32Const(1), I32Const(16), I32Const(1), I32Const(24), Call(0), Drop))},
		Attack{Name: "initialize_sleeps", Does: "sleeps for a century, again and again, in _initialize",
			Wasm: late(wasi("poll_oneoff", I32, I32, I32, I32),
				Forever(Store(40, -1), Store(44, -1), I32Const(16), I32Const(256), I32Const(1), I32Const(512), Call(0), Drop))},
		Attack{Name: "initialize_calls_the_job", Does: "logs to a job before there is one",
			Wasm: late(host("log", nil, I32, I32), Code(I32Const(0), I32Const(8), Call(0)))},
		Attack{Name: "describe_loops", Does: "loops for ever when it is asked what it is", Wasm: Module{Describe: LoopForever}.Encode()},
		Attack{Name: "describe_traps", Does: "crashes when it is asked what it is", Wasm: Module{Describe: Unreachable}.Encode()},
		Attack{Name: "describe_points_outside", Does: "has its manifest outside of its memory", Wasm: Module{Describe: I64Const(-1)}.Encode()},
		Attack{Name: "data_outside", Does: "has data outside of its memory", Wasm: Module{DataAt: 65_530}.Encode()},
	)
}
