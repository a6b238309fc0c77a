package vet

import "thresher/plugins/sandbox/binary"

// moves returns by how much an instruction changes the height of the operand
// stack, for those that do not depend on a type or a label.
func moves(op uint32) int {
	switch {
	case op <= 0xff:
		return int(plain[op])
	case op>>16 == 0xfd:
		return int(vectors[op&0xff])
	}
	switch op {
	case binary.OpMemoryInit, binary.OpMemoryCopy, binary.OpMemoryFill, binary.OpTableInit, binary.OpTableCopy, binary.OpTableFill:
		return -3
	case binary.OpTableGrow:
		return -1
	case binary.OpTableSize:
		return 1
	}
	return 0
}

// plain is of instructions of one byte, vectors of those behind 0xfd.
var plain, vectors = effects(
	effect{-1, 0x1a, 0x1a}, effect{-2, 0x1b, 0x1c}, // drop, select
	effect{1, 0x20, 0x20}, effect{-1, 0x21, 0x21}, effect{1, 0x23, 0x23}, effect{-1, 0x24, 0x24}, // locals, globals
	effect{-2, 0x26, 0x26}, effect{-2, 0x36, 0x3e}, effect{1, 0x3f, 0x3f}, // table.set, stores, memory.size
	effect{1, 0x41, 0x44}, effect{-1, 0x46, 0x4f}, effect{-1, 0x51, 0x66}, // constants, comparisons
	effect{-1, 0x6a, 0x78}, effect{-1, 0x7c, 0x8a}, effect{-1, 0x92, 0x98}, effect{-1, 0xa0, 0xa6}, // arithmetic
	effect{1, 0xd0, 0xd0}, effect{1, 0xd2, 0xd2}, // ref.null, ref.func
), effects(
	effect{-2, 11, 11}, effect{1, 12, 12}, effect{-1, 13, 14}, // store, const, shuffle, swizzle
	effect{-1, 23, 23}, effect{-1, 26, 26}, effect{-1, 28, 28}, effect{-1, 30, 30}, effect{-1, 32, 32}, effect{-1, 34, 34}, // replace_lane
	effect{-1, 35, 76}, effect{-1, 78, 81}, effect{-2, 82, 82}, // comparisons, bits, bitselect
	effect{-1, 84, 87}, effect{-2, 88, 91}, // load_lane, store_lane
	effect{-1, 101, 102}, effect{-1, 107, 115}, effect{-1, 118, 121}, effect{-1, 123, 123}, // i8x16
	effect{-1, 130, 130}, effect{-1, 133, 134}, effect{-1, 139, 147}, effect{-1, 149, 159}, // i16x8
	effect{-1, 171, 191}, effect{-1, 203, 223}, // i32x4, i64x2
	effect{-1, 228, 235}, effect{-1, 240, 247}, // f32x4, f64x2
)

// effect is by how much the instructions from first to last change the height.
type effect struct {
	moves       int8
	first, last int
}

func effects(list ...effect) (table [256]int8) {
	for _, e := range list {
		for op := e.first; op <= e.last; op++ {
			table[op] = e.moves
		}
	}
	return table
}
