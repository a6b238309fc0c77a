package binary

// The opcodes that the sandbox knows by name. Instructions behind a prefix byte
// have the prefix in the upper half.
const (
	OpUnreachable  = 0x00
	OpNop          = 0x01
	OpBlock        = 0x02
	OpLoop         = 0x03
	OpIf           = 0x04
	OpElse         = 0x05
	OpEnd          = 0x0b
	OpBr           = 0x0c
	OpBrIf         = 0x0d
	OpBrTable      = 0x0e
	OpReturn       = 0x0f
	OpCall         = 0x10
	OpCallIndirect = 0x11
	OpLocalGet     = 0x20
	OpLocalSet     = 0x21
	OpLocalTee     = 0x22
	OpGlobalGet    = 0x23
	OpGlobalSet    = 0x24
	OpTableGet     = 0x25
	OpTableSet     = 0x26
	OpMemorySize   = 0x3f
	OpMemoryGrow   = 0x40
	OpI32Const     = 0x41
	OpI64Const     = 0x42
	OpF32Const     = 0x43
	OpF64Const     = 0x44
	OpI32Eqz       = 0x45
	OpI32LtU       = 0x49
	OpI32GtU       = 0x4b
	OpI64Ne        = 0x52
	OpI64LtS       = 0x53
	OpI64GeS       = 0x59
	OpI64GtU       = 0x56
	OpI32Add       = 0x6a
	OpI32Sub       = 0x6b
	OpI32DivS      = 0x6d
	OpI32DivU      = 0x6e
	OpI32RemS      = 0x6f
	OpI32RemU      = 0x70
	OpI64Add       = 0x7c
	OpI64Sub       = 0x7d
	OpI64DivS      = 0x7f
	OpI64DivU      = 0x80
	OpI64RemS      = 0x81
	OpI64RemU      = 0x82
	OpI64And       = 0x83
	OpI64Or        = 0x84
	OpI64Shl       = 0x86
	OpI64ShrU      = 0x88
	OpF32Sqrt      = 0x91
	OpF32Div       = 0x95
	OpF64Sqrt      = 0x9f
	OpF64Div       = 0xa3
	OpI64ExtendU   = 0xad // of an i32
	OpRefNull      = 0xd0
	OpRefFunc      = 0xd2
	OpMemoryInit   = prefixed<<16 | 8
	OpDataDrop     = prefixed<<16 | 9
	OpMemoryCopy   = prefixed<<16 | 10
	OpMemoryFill   = prefixed<<16 | 11
	OpTableInit    = prefixed<<16 | 12
	OpElemDrop     = prefixed<<16 | 13
	OpTableCopy    = prefixed<<16 | 14
	OpTableGrow    = prefixed<<16 | 15
	OpTableSize    = prefixed<<16 | 16
	OpTableFill    = prefixed<<16 | 17
	OpV128Const    = vector<<16 | 12

	prefixed = 0xfc // saturating truncation, bulk memory, tables
	vector   = 0xfd // 128-bit
)

// NoResult is the type of a block that takes and leaves nothing.
const NoResult = 0x40
