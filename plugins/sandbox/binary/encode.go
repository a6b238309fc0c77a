package binary

import stdbinary "encoding/binary"

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
