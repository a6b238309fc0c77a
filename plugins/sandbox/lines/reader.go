package lines

import (
	"bytes"
	stdbinary "encoding/binary"
)

// reader reads DWARF's numbers and texts, little endian. Behind the end all is zero,
// and bad is set.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) done() bool { return r.bad || len(r.data) == 0 }

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.bad = true
		r.data = nil
		return make([]byte, min(n, 8))
	}
	p := r.data[:n]
	r.data = r.data[n:]
	return p
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return stdbinary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return stdbinary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return stdbinary.LittleEndian.Uint64(r.take(8)) }

// offset is a length or a place, as wide as the unit has them.
func (r *reader) offset(wide bool) uint64 {
	if wide {
		return r.u64()
	}
	return uint64(r.u32())
}

func (r *reader) uleb() uint64 {
	v, n := stdbinary.Uvarint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) sleb() (v int64) {
	for shift := 0; shift < 70; shift += 7 {
		b := r.u8()
		if shift < 64 {
			v |= int64(b&0x7f) << shift
		}
		if b < 0x80 {
			if b&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *reader) text() string {
	end := bytes.IndexByte(r.data, 0)
	if end < 0 {
		r.bad, r.data = true, nil
		return ""
	}
	s := string(r.data[max(0, end-maxPath):end])
	r.data = r.data[end+1:]
	return s
}

// unit reads what one unit contributes: wide where its places have 8 bytes.
func (r *reader) unit() (content reader, wide bool) {
	n := uint64(r.u32())
	if wide = n == 0xffffffff; wide {
		n = r.u64()
	}
	return reader{data: r.take(n)}, wide
}

// textAt is the text at a place of a section of texts.
func textAt(section []byte, at uint64) string {
	if at >= uint64(len(section)) {
		return ""
	}
	r := reader{data: section[at:]}
	return r.text()
}
