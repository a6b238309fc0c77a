package binary

import stdbinary "encoding/binary"

// AppendSigned appends a signed LEB128 number.
func AppendSigned(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

// Encode returns the bytes of a module with these sections.
func Encode(sections []Section) []byte {
	out := append([]byte(nil), header...)
	for _, s := range sections {
		out = append(out, s.ID)
		out = stdbinary.AppendUvarint(out, uint64(len(s.Content)))
		out = append(out, s.Content...)
	}
	return out
}

// EncodeExports returns the content of an export section.
func EncodeExports(exports []Export) []byte {
	out := stdbinary.AppendUvarint(nil, uint64(len(exports)))
	for _, e := range exports {
		out = stdbinary.AppendUvarint(out, uint64(len(e.Name)))
		out = append(out, e.Name...)
		out = append(out, e.Kind)
		out = stdbinary.AppendUvarint(out, uint64(e.Index))
	}
	return out
}

// CustomSection makes one of a name and what follows it.
func CustomSection(name string, content []byte) Section {
	out := stdbinary.AppendUvarint(nil, uint64(len(name)))
	out = append(out, name...)
	return Section{ID: SectionCustom, Content: append(out, content...)}
}

// Custom parts a custom section into its name and what follows it. It is empty for
// others.
func (s Section) Custom() (name string, content []byte) {
	if s.ID != SectionCustom {
		return "", nil
	}
	r := &reader{data: s.Content}
	name = r.name()
	if r.err != nil {
		return "", nil
	}
	return name, s.Content[r.at:]
}
