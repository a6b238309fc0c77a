package lines

// unit reads a line program: the header, and the instructions that give the rows.
func (b *builder) unit(r reader, wide bool, s Sections) {
	p := program{builder: b}
	version := r.u16()
	if version < 2 || version > 5 {
		return
	}
	if version == 5 {
		r.take(2) // how wide an address and a segment are
	}
	header := reader{data: r.take(r.offset(wide))}
	p.least = uint64(header.u8())
	if version >= 4 {
		header.take(1) // operations of an instruction: 1
	}
	header.take(1) // whether a row is a statement
	p.base, p.span, p.special = int64(int8(header.u8())), uint64(header.u8()), header.u8()
	if p.span == 0 || p.special == 0 {
		return
	}
	p.operands = header.take(uint64(p.special) - 1)
	if version == 5 {
		p.files5(&header, wide, s)
	} else {
		p.files4(&header)
	}
	if header.bad || r.bad {
		return
	}
	p.run(r)
}

// program is a line program on its way.
type program struct {
	*builder
	dirs     []string
	files    []uint32 // of the table, as the program numbers them
	first    uint64   // the number of the first one
	least    uint64   // bytes of the shortest instruction
	base     int64    // of special opcodes
	span     uint64
	special  byte   // the first special opcode
	operands []byte // of each standard opcode

	addr         uint64
	file, column uint64
	line         int64
	dead         bool // the linker has left this code out
}

// files4 reads the files of versions 2 to 4.
func (p *program) files4(h *reader) {
	p.dirs, p.first = []string{""}, 1
	for !h.done() && len(p.dirs) < maxFiles {
		dir := h.text()
		if dir == "" {
			break
		}
		p.dirs = append(p.dirs, dir)
	}
	for !h.done() && len(p.files) < maxFiles {
		name := h.text()
		if name == "" {
			break
		}
		p.named(name, h.uleb())
		h.uleb() // when it was changed
		h.uleb() // how long it is
	}
}

func (p *program) named(name string, dir uint64) {
	in := ""
	if dir < uint64(len(p.dirs)) {
		in = p.dirs[dir]
	}
	p.files = append(p.files, p.builder.file(in, name))
}

// The parts of an entry in version 5, and the forms that they come in.
const (
	partPath = 1
	partDir  = 2

	formBlock2  = 0x03
	formBlock4  = 0x04
	formData2   = 0x05
	formData4   = 0x06
	formData8   = 0x07
	formString  = 0x08
	formBlock   = 0x09
	formBlock1  = 0x0a
	formData1   = 0x0b
	formStrp    = 0x0e
	formUdata   = 0x0f
	formData16  = 0x1e
	formLineStr = 0x1f
)

// files5 reads the files of version 5. Directory 0 is where the compiler was run: what
// lies there is named without it.
func (p *program) files5(h *reader, wide bool, s Sections) {
	entries(h, wide, s, func(dir string, _ uint64) { p.dirs = append(p.dirs, dir) })
	if len(p.dirs) > 0 {
		p.dirs[0] = ""
	}
	entries(h, wide, s, p.named)
}

// entries reads a list of directories or files.
func entries(h *reader, wide bool, s Sections, each func(path string, dir uint64)) {
	format := make([][2]uint64, h.u8())
	for i := range format {
		format[i] = [2]uint64{h.uleb(), h.uleb()}
	}
	n := h.uleb()
	if n > maxFiles || n > 0 && len(format) == 0 { // those of no bytes could be any number
		h.bad = true
	}
	for ; n > 0 && !h.bad; n-- {
		var path string
		var dir uint64
		for _, part := range format {
			text, number := form(h, part[1], wide, s)
			switch part[0] {
			case partPath:
				path = text
			case partDir:
				dir = number
			}
		}
		if !h.bad {
			each(path, dir)
		}
	}
}

func form(h *reader, kind uint64, wide bool, s Sections) (text string, number uint64) {
	switch kind {
	case formString:
		return h.text(), 0
	case formLineStr:
		return textAt(s.LineStr, h.offset(wide)), 0
	case formStrp:
		return textAt(s.Str, h.offset(wide)), 0
	case formUdata:
		return "", h.uleb()
	case formData1:
		return "", uint64(h.u8())
	case formData2:
		return "", uint64(h.u16())
	case formData4:
		return "", uint64(h.u32())
	case formData8:
		return "", h.u64()
	case formData16:
		h.take(16)
	case formBlock:
		h.take(h.uleb())
	case formBlock1:
		h.take(uint64(h.u8()))
	case formBlock2:
		h.take(uint64(h.u16()))
	case formBlock4:
		h.take(uint64(h.u32()))
	default:
		h.bad = true
	}
	return "", 0
}

// The standard opcodes that move something, and the extended ones.
const (
	opCopy      = 1
	opAdvancePC = 2
	opAdvance   = 3
	opSetFile   = 4
	opSetColumn = 5
	opConstPC   = 8
	opFixedPC   = 9

	opEndSequence = 1
	opSetAddress  = 2
)

func (p *program) reset() { p.addr, p.file, p.line, p.column, p.dead = 0, 1, 1, 0, true }

func (p *program) run(r reader) {
	p.reset()
	for !r.done() && len(p.table.Rows) < MostRows {
		op := r.u8()
		switch {
		case op >= p.special:
			step := uint64(op - p.special)
			p.addr += step / p.span * p.least
			p.line += p.base + int64(step%p.span)
			p.row(false)
		case op == 0:
			p.extended(reader{data: r.take(r.uleb())})
		default:
			p.standard(op, &r)
		}
	}
}

func (p *program) standard(op byte, r *reader) {
	switch op {
	case opCopy:
		p.row(false)
	case opAdvancePC:
		p.addr += r.uleb() * p.least
	case opAdvance:
		p.line += r.sleb()
	case opSetFile:
		p.file = r.uleb()
	case opSetColumn:
		p.column = r.uleb()
	case opConstPC:
		p.addr += uint64(255-p.special) / p.span * p.least
	case opFixedPC:
		p.addr += uint64(r.u16())
	default:
		for range p.operands[op-1] {
			r.uleb()
		}
	}
}

func (p *program) extended(r reader) {
	switch r.u8() {
	case opEndSequence:
		p.row(true)
		p.reset()
	case opSetAddress:
		p.addr = 0
		for i, b := range r.data[:min(len(r.data), 8)] {
			p.addr |= uint64(b) << (8 * i)
		}
		// Linkers give what they leave out an address where no code can be.
		p.dead = p.addr == 0 || uint32(p.addr) >= 0xfffffffe
	}
}

func (p *program) row(end bool) {
	at := p.file - p.first
	if p.dead || p.addr > 1<<31 || at >= uint64(len(p.files)) || p.files[at] == nowhere {
		return
	}
	line, column := uint32(0), uint32(0)
	if 0 < p.line && p.line < 1<<31 {
		line, column = uint32(p.line), uint32(min(p.column, 1<<31))
	}
	p.table.Rows = append(p.table.Rows, Row{Addr: uint32(p.addr), File: p.files[at], Line: line, Column: column, End: end})
}
