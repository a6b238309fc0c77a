package lines

import (
	stdbinary "encoding/binary"

	"thresher/plugins/sandbox/binary"
)

// Function is the lines of a function: rows by address, from its first byte to End.
type Function struct {
	Rows []Row
	End  uint32
}

// Section is a custom section.
type Section struct {
	Name    string
	Content []byte
}

// Write says lines as DWARF 4, with a unit for each function: whoever looks for a line
// reads that of one function, and no more.
func Write(files []string, functions []Function) []Section {
	const (
		tagCompileUnit          = 0x11
		attrStatements          = 0x10
		attrLow, attrHigh       = 0x11, 0x12
		formAddr, formSecOffset = 0x01, 0x17
	)
	abbrev := []byte{1, tagCompileUnit, 0, attrStatements, formSecOffset, attrLow, formAddr, attrHigh, formData4, 0, 0, 0}
	var info, line []byte
	for _, f := range functions {
		if len(f.Rows) == 0 {
			continue
		}
		start := f.Rows[0].Addr
		unit := []byte{4, 0, 0, 0, 0, 0, 4, 1} // version, place of the abbreviations, width of an address, abbreviation
		unit = stdbinary.LittleEndian.AppendUint32(unit, uint32(len(line)))
		unit = stdbinary.LittleEndian.AppendUint32(unit, start)
		unit = stdbinary.LittleEndian.AppendUint32(unit, f.End-start)
		info = append(stdbinary.LittleEndian.AppendUint32(info, uint32(len(unit))), unit...)
		written := writeProgram(files, f)
		line = append(stdbinary.LittleEndian.AppendUint32(line, uint32(len(written))), written...)
	}
	if len(info) == 0 {
		return nil
	}
	return []Section{{".debug_abbrev", abbrev}, {".debug_info", info}, {".debug_line", line}}
}

// firstSpecial is the number of opcodes that are used, and 1 more: no special ones are.
const firstSpecial = 6

func writeProgram(files []string, f Function) []byte {
	header := []byte{1, 1, 1, 0, 1, firstSpecial, 0, 1, 1, 1, 1, 0} // operands of each opcode, no directories
	place := map[uint32]uint64{}
	for _, r := range f.Rows {
		if _, known := place[r.File]; known {
			continue
		}
		place[r.File] = uint64(len(place) + 1)
		header = append(append(header, files[r.File]...), 0, 0, 0, 0)
	}
	header = append(header, 0)
	out := stdbinary.LittleEndian.AppendUint32([]byte{4, 0}, uint32(len(header)))
	out = append(out, header...)
	out = append(out, 0, 5, opSetAddress)
	out = stdbinary.LittleEndian.AppendUint32(out, f.Rows[0].Addr)
	addr, line := f.Rows[0].Addr, int64(1)
	for _, r := range f.Rows {
		out = stdbinary.AppendUvarint(append(out, opAdvancePC), uint64(r.Addr-addr))
		out = stdbinary.AppendUvarint(append(out, opSetFile), place[r.File])
		out = stdbinary.AppendUvarint(append(out, opSetColumn), uint64(r.Column))
		out = binary.AppendSigned(append(out, opAdvance), int64(r.Line)-line)
		out = append(out, opCopy)
		addr, line = r.Addr, int64(r.Line)
	}
	out = stdbinary.AppendUvarint(append(out, opAdvancePC), uint64(f.End-addr))
	return append(out, 0, 1, opEndSequence)
}
