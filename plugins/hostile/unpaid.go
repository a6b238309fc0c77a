package hostile

// unpaid look for work that is not paid for: code without loops that has no end either,
// loops that are entered and left in odd ways, instructions that do nothing, dear ones.
func unpaid() []Attack {
	argument := Code(LocalGet0)
	ladder := Module{Run: Code(argument, Call(Further(0, 0)))}
	for i := range 8 {
		rung := I32Const(0)
		if i < 7 {
			rung = Code(repeat(200, argument, Call(Further(0, i+1)), Drop), I32Const(0))
		}
		ladder.More = append(ladder.More, rung)
	}
	// Each call goes once round a loop that it leaves by a return.
	returning := Module{
		Run:  Forever(argument, Call(Further(0, 0)), Drop),
		More: [][]byte{Code(loopVoid, I32Const(1), []byte{0x0f}, end, Unreachable)},
	}
	table := func(code ...[]byte) []byte {
		return Module{Table: 1000, Filled: true, Run: Forever(code...)}.Encode()
	}
	const nothing = 0
	return ending("gas_limit",
		Attack{Name: "ladder", Does: "calls functions that call functions 200 times, seven deep: no loop and no end", Wasm: ladder.Encode()},
		Attack{Name: "jumps_by_table", Does: "loops for ever by a br_table", Wasm: Module{Run: Code(loopVoid, I32Const(7), []byte{0x0e, 1, 0, 0}, end, Unreachable)}.Encode()},
		Attack{Name: "jumps_from_the_depth", Does: "loops for ever by a branch from twenty blocks deep", Wasm: Module{
			Run: Code(loopVoid, repeat(20, blockVoid), []byte{0x0c, 20}, repeat(20, end), end, Unreachable)}.Encode()},
		Attack{Name: "loop_with_a_result", Does: "loops for ever in a loop that has a result", Wasm: Module{
			Run: Code([]byte{0x03, 0x7f}, I32Const(1), []byte{0x0d, 0}, I32Const(0), end)}.Encode()},
		Attack{Name: "returns_from_loops", Does: "enters a loop for ever, and leaves it by a return", Wasm: returning.Encode()},
		Attack{Name: "fills_nothing", Does: "fills no bytes, 100 times a turn, for ever", Wasm: Module{
			Run: Forever(repeat(100, I32Const(0), I32Const(0), I32Const(nothing), []byte{0xfc, 11, 0}))}.Encode()},
		Attack{Name: "grows_by_nothing", Does: "grows its memory by no page, 1000 times a turn, for ever", Wasm: Module{
			Run: Forever(repeat(1000, I32Const(nothing), Grow, Drop))}.Encode()},
		Attack{Name: "copies_a_table", Does: "copies a table over itself for ever", Wasm: table(I32Const(1), I32Const(0), I32Const(999), []byte{0xfc, 14, 0, 0})},
		Attack{Name: "fills_a_table", Does: "fills a table for ever", Wasm: table(I32Const(0), []byte{0xd0, 0x70}, I32Const(1000), []byte{0xfc, 17, 0})},
		Attack{Name: "takes_roots", Does: "takes 1000 square roots a turn, for ever", Wasm: Module{
			Run: Forever(F64Const(2), repeat(1000, []byte{0x9f}), Drop)}.Encode()},
	)
}
