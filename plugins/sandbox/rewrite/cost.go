package rewrite

import "thresher/plugins/sandbox/binary"

// What instructions cost, in gas. One gas is about what an addition takes. The
// numbers are part of what a job is charged: docs/sandbox.md has them as a table,
// and a test holds the two against each other.
const (
	costPlain    = 1   // arithmetic, locals, constants, loads, stores, branches
	costDivide   = 8   // integer division and remainder, float division and root
	costTable    = 4   // br_table, table.get, table.set, table.size
	costCall     = 16  // a call, and all of a function that is no dearer: see meter
	costIndirect = 20  // call_indirect
	costGrow     = 512 // memory.grow: it leaves the guest
	costBulk     = 32  // memory.fill, copy and init, and the bulk operations on tables; includes inlineBytes
	bytesPerGas  = 16  // of a longer fill, copy or init
	// elementGas is charged for each element of a bulk operation on a table.
	elementGas = 1

	inlineBytes = costBulk * bytesPerGas // a fill or copy up to here is done in place
	pieceBytes  = 256 << 10              // of a longer one: what is done between two charges
)

// cost returns what an instruction costs. What only marks structure costs nothing.
func cost(op uint32) uint64 {
	switch op {
	case binary.OpBlock, binary.OpLoop, binary.OpElse, binary.OpEnd, binary.OpNop:
		return 0
	case binary.OpI32DivS, binary.OpI32DivU, binary.OpI32RemS, binary.OpI32RemU, binary.OpI64DivS, binary.OpI64DivU, binary.OpI64RemS, binary.OpI64RemU,
		binary.OpF32Sqrt, binary.OpF32Div, binary.OpF64Sqrt, binary.OpF64Div:
		return costDivide
	case binary.OpBrTable, binary.OpTableGet, binary.OpTableSet, binary.OpTableSize:
		return costTable
	case binary.OpCall:
		return costCall
	case binary.OpCallIndirect:
		return costIndirect
	case binary.OpMemoryGrow:
		return costGrow
	case binary.OpMemoryFill, binary.OpMemoryCopy, binary.OpMemoryInit, binary.OpTableInit, binary.OpTableCopy,
		binary.OpTableFill, binary.OpTableGrow:
		return costBulk
	}
	return costPlain
}

// calls reports whether an instruction enters another function, as it is or as it
// is rewritten.
func calls(op uint32) bool {
	return op == binary.OpCall || op == binary.OpCallIndirect || cost(op) == costBulk
}
