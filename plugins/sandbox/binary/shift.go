package binary

import (
	stdbinary "encoding/binary"
	"unicode/utf8"
)

// maxFunctionName is the max number of bytes that ShiftNames keeps of a function's name.
// The stack of a crash repeats names once a frame, so without a bound a module of 32 MiB
// could make a text of a gigabyte. Mangled names of Rust and C++ are shorter, but for a
// few.
const maxFunctionName = 512

// ShiftNames returns the content of a name section in which functions from an index
// on have moved up. Of the names it keeps the functions', and cuts long ones.
// It reports whether the content is that of a name section at all.
func ShiftNames(content []byte, from, by uint32) (shifted []byte, ok bool) {
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
			names = part.shifted(from, by)
		default:
			continue
		}
		out = stdbinary.AppendUvarint(append(out, id), uint64(len(names)))
		out = append(out, names...)
	}
	return out, r.err == nil
}

func (r *reader) shifted(from, by uint32) []byte {
	out := stdbinary.AppendUvarint(nil, uint64(r.count()))
	r.at = 0 // functionNames reads the count again
	r.functionNames(func(function uint32, name []byte) bool {
		if function >= from {
			function += by
		}
		name = cutName(name)
		out = stdbinary.AppendUvarint(out, uint64(function))
		out = stdbinary.AppendUvarint(out, uint64(len(name)))
		out = append(out, name...)
		return true
	})
	return out
}

// cutName marks a name that it cuts. It never splits a character.
func cutName(name []byte) []byte {
	const mark = "…"
	if len(name) <= maxFunctionName {
		return name
	}
	end := maxFunctionName - len(mark)
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return append(name[:end:end], mark...)
}
