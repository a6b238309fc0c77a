package binary

import "bytes"

// FindCustom returns what the first custom section of a name holds, without reading
// more of the module than where its sections begin.
func FindCustom(wasm []byte, name string) (content []byte, found bool) {
	_ = eachSection(wasm, func(s Section) bool {
		var this string
		if this, content = s.Custom(); this == name && name != "" {
			found = true
		}
		return !found
	})
	if !found {
		return nil, false
	}
	return content, true
}

// WithCustom returns the module with a custom section at its end, in the place of any
// of that name that it has.
func WithCustom(wasm []byte, name string, content []byte) ([]byte, error) {
	var sections []Section
	err := eachSection(wasm, func(s Section) bool {
		if this, _ := s.Custom(); this != name {
			sections = append(sections, s)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return Encode(append(sections, CustomSection(name, content))), nil
}

// eachSection calls visit with each section until it returns false.
func eachSection(wasm []byte, visit func(Section) bool) error {
	if !bytes.HasPrefix(wasm, header) {
		return &Error{Detail: "it does not start with the WebAssembly magic and version 1"}
	}
	r := &reader{data: wasm, at: len(header)}
	for !r.done() {
		id := r.byte()
		content := r.part(r.uint32())
		if r.err != nil {
			return r.err
		}
		if !visit(Section{ID: id, Offset: content.base, Content: content.data}) {
			return nil
		}
	}
	return nil
}
