package binary

import stdbinary "encoding/binary"

// ShiftNames returns the content of a name section in which functions from an index
// on have moved up by one. Of the names it keeps the functions'.
// It reports whether the content is that of a name section at all.
func ShiftNames(content []byte, from uint32) (shifted []byte, ok bool) {
	r := &reader{data: content}
	if r.name() != "name" {
		return nil, false
	}
	out := append([]byte(nil), content[:r.at]...)
	for !r.done() && r.err == nil {
		id := r.byte()
		part := r.part(r.uint32())
		var names []byte
		switch id {
		case namesOfFunctions:
			names = part.shifted(from)
		default:
			continue
		}
		out = stdbinary.AppendUvarint(append(out, id), uint64(len(names)))
		out = append(out, names...)
	}
	return out, r.err == nil
}

func (r *reader) shifted(from uint32) []byte {
	out := stdbinary.AppendUvarint(nil, uint64(r.count()))
	r.at = 0 // functionNames reads the count again
	r.functionNames(func(function uint32, name []byte) bool {
		if function >= from {
			function++
		}
		out = stdbinary.AppendUvarint(out, uint64(function))
		out = stdbinary.AppendUvarint(out, uint64(len(name)))
		out = append(out, name...)
		return true
	})
	return out
}
