package hostile

import "math"

// crashes are every way to trap, to run out of stack, and to leave.
func crashes() []Attack {
	const mutual = 0 // of More
	indirect := func(index int32) []byte {
		return Code(LocalGet0, I32Const(index), []byte{0x11, 1, 0})
	}
	recursion := func(code []byte) []byte {
		return Module{Run: code, More: [][]byte{Code(LocalGet0, Call(Self(0)))}, Table: 4, Filled: true}.Encode()
	}
	traps := ending("guest_trap",
		Attack{Name: "unreachable", Does: "reaches what is unreachable", Wasm: runs(Unreachable)},
		Attack{Name: "divides_by_zero", Does: "divides by zero", Wasm: runs(I32Const(1), I32Const(0), []byte{0x6d}, Drop)},
		Attack{Name: "divides_too_far", Does: "divides the least integer by -1", Wasm: runs(I32Const(math.MinInt32), I32Const(-1), []byte{0x6d}, Drop)},
		Attack{Name: "converts_nan", Does: "makes an integer of NaN", Wasm: runs(F64Const(math.NaN()), []byte{0xaa}, Drop)},
		Attack{Name: "converts_infinity", Does: "makes an integer of infinity", Wasm: runs(F64Const(math.Inf(1)), []byte{0xaa}, Drop)},
		Attack{Name: "reads_outside", Does: "reads behind its memory", Wasm: runs(I32Const(65_533), []byte{0x28, 2, 0}, Drop)},
		Attack{Name: "writes_outside", Does: "writes at the end of the address space", Wasm: runs(Store(-1, 1))},
		Attack{Name: "reads_at_the_largest_offset", Does: "reads at 4 GiB + 4 GiB", Wasm: runs(I32Const(-1), []byte{0x28, 2}, uleb(math.MaxUint32), Drop)},
		Attack{Name: "fills_outside", Does: "fills what is behind its memory", Wasm: runs(I32Const(65_000), I32Const(1), I32Const(-1), []byte{0xfc, 11, 0})},
		Attack{Name: "copies_outside", Does: "copies from behind its memory", Wasm: runs(I32Const(0), I32Const(60_000), I32Const(math.MaxInt32), []byte{0xfc, 10, 0, 0})},
		Attack{Name: "calls_an_empty_slot", Does: "calls an empty slot of its table", Wasm: recursion(indirect(1))},
		Attack{Name: "calls_outside_the_table", Does: "calls what is behind its table", Wasm: recursion(indirect(1 << 30))},
		Attack{Name: "calls_as_another_type", Does: "calls a function as one of another type",
			Wasm: Module{Run: Code(I32Const(0), []byte{0x11, 2, 0}, I32Const(0)), Table: 1, Filled: true}.Encode()},
		Attack{Name: "reads_outside_the_table", Does: "reads behind its table", Wasm: Module{Run: Code(I32Const(99), []byte{0x25, 0}, Drop, I32Const(0)), Table: 1}.Encode()},
	)
	deep := ending("stack_limit",
		Attack{Name: "recursion", Does: "calls itself", Wasm: recursion(Code(LocalGet0, Call(Self(0))))},
		Attack{Name: "mutual_recursion", Does: "calls what calls it", Wasm: recursion(Code(LocalGet0, Call(Further(0, mutual))))},
		Attack{Name: "indirect_recursion", Does: "calls itself through its table", Wasm: recursion(indirect(0))},
	)
	for i := range deep {
		deep[i].Limits.Gas = 1 << 40
	}
	forged := ending("guest_exit",
		Attack{Name: "exits_with_0", Does: "says that all is well, and leaves", Wasm: Module{Imports: []Function{exit}, Run: Code(I32Const(0), Call(0), I32Const(0))}.Encode()},
		Attack{Name: "exits_with_137", Does: "says that it was killed", Wasm: Module{Imports: []Function{exit}, Run: Code(I32Const(137), Call(0), I32Const(0))}.Encode()},
		Attack{Name: "exits_at_init", Does: "leaves a simulation with 0 before its first step",
			Wasm: Module{Imports: []Function{exit}, Manifest: Manifest("simulation"), Run: Code(I32Const(0), Call(0), I32Const(0))}.Encode()},
		Attack{Name: "exits_at_a_step", Does: "leaves a simulation with 0 at a step",
			Wasm: Module{Imports: []Function{exit}, Manifest: Manifest("simulation"), Step: Code(I32Const(0), Call(0), I32Const(0))}.Encode()},
	)
	return append(append(traps, deep...), forged...)
}
