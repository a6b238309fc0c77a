// Package binary reads and writes the WebAssembly binary format, as far as the
// sandbox must understand a module to change it: its sections, what they declare,
// and the instructions of its functions.
//
// Reading takes time linear in the module's size and allocates no more than the
// module's declarations take, whatever they claim to hold: a count is held against
// the bytes that are left before anything is made of it. What is not understood is
// an error with its offset, never skipped. The package does not validate: types
// and indices are the runtime's to check.
//
// Source: WebAssembly Core Specification 2.0, chapter 5.
package binary

import "fmt"

// Error says what could not be read, and where.
type Error struct {
	Offset int // in the module
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("at offset %d: %s", e.Offset, e.Detail) }

// reader reads values one after another. After the first error it returns zeros;
// err keeps that error.
type reader struct {
	data []byte
	at   int
	base int // offset of data in the module
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: r.base + r.at, Detail: fmt.Sprintf(format, args...)}
		r.at = len(r.data)
	}
}

func (r *reader) done() bool { return r.at >= len(r.data) }

func (r *reader) byte() byte {
	if r.done() {
		r.fail("unexpected end")
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.data)-r.at) {
		r.fail("%d bytes wanted, %d left", n, len(r.data)-r.at)
		return nil
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

// unsigned reads a LEB128 number of at most that many bits.
func (r *reader) unsigned(bits int) (v uint64) {
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if rest := bits - shift; rest < 7 && b>>rest != 0 {
				r.fail("a number has more than %d bits", bits)
			}
			return v
		}
	}
	r.fail("a number has more than %d bits", bits)
	return 0
}

// signed reads a signed LEB128 number of at most that many bits.
func (r *reader) signed(bits int) (v int64) {
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if used := shift + 7; b&0x40 != 0 && used < 64 {
				v |= -1 << used
			}
			return v
		}
	}
	r.fail("a number has more than %d bits", bits)
	return 0
}

func (r *reader) uint32() uint32 { return uint32(r.unsigned(32)) }

// count reads how many entries follow; each takes at least one byte.
func (r *reader) count() uint32 {
	n := r.uint32()
	if uint64(n) > uint64(len(r.data)-r.at) {
		r.fail("%d entries cannot fit into %d bytes", n, len(r.data)-r.at)
		return 0
	}
	return n
}

func (r *reader) name() string { return string(r.bytes(r.count())) }

// part returns a reader of the next n bytes.
func (r *reader) part(n uint32) *reader {
	base := r.base + r.at
	return &reader{data: r.bytes(n), base: base, err: r.err}
}
