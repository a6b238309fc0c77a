package rewrite

import (
	stdbinary "encoding/binary"

	"thresher/plugins/sandbox/binary"
)

// code is instructions that are being written.
type code []byte

// op appends an instruction with unsigned immediates.
func (c *code) op(op uint32, immediates ...uint32) {
	if op > 0xff {
		*c = append(*c, byte(op>>16))
		op &= 0xffff
	}
	*c = stdbinary.AppendUvarint(*c, uint64(op))
	for _, i := range immediates {
		*c = stdbinary.AppendUvarint(*c, uint64(i))
	}
}

// ops appends instructions without immediates.
func (c *code) ops(list ...uint32) {
	for _, op := range list {
		c.opcode(op)
	}
}

// opcode appends an instruction without immediates. Those up to 0xff are one byte.
func (c *code) opcode(op uint32) {
	if op > 0xff {
		c.op(op)
		return
	}
	*c = append(*c, byte(op))
}

func (c *code) i32(v int32) {
	*c = append(*c, binary.OpI32Const)
	*c = binary.AppendSigned(*c, int64(v))
}

func (c *code) i64(v int64) {
	*c = append(*c, binary.OpI64Const)
	*c = binary.AppendSigned(*c, v)
}

func (c *code) raw(p []byte) { *c = append(*c, p...) }
