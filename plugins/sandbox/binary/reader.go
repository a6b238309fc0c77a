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

import (
	"fmt"
	"unicode/utf8"
)

// Error says what could not be read, and where.
type Error struct {
	Offset  int // in the module
	Detail  string
	Feature Feature // what it would need, if it is of a later WebAssembly
	Unknown bool    // it is an instruction that no version has
}

// Feature is a part of WebAssembly that is not in version 2.0.
type Feature string

// The features that are known by what they look like.
const (
	FeatureThreads            Feature = "threads"
	FeatureTailCalls          Feature = "tail_calls"
	FeatureExceptions         Feature = "exceptions"
	FeatureMemory64           Feature = "memory64"
	FeatureMultiMemory        Feature = "multi_memory"
	FeatureGC                 Feature = "gc"
	FeatureFunctionReferences Feature = "function_references"
	FeatureExtendedConst      Feature = "extended_const"
	FeatureRelaxedSIMD        Feature = "relaxed_simd"
)

func (e *Error) Error() string { return fmt.Sprintf("at offset %d: %s", e.Offset, e.Detail) }

// reader reads values one after another. After the first error it returns zeros;
// err keeps that error.
type reader struct {
	data []byte
	at   int
	base int // offset of data in the module
	err  error

	check    Check  // may be nil
	elements uint64 // entries of element segments so far
}

func (r *reader) fail(format string, args ...any) { r.failAt(r.at, "", format, args...) }

// needs fails: what was read is part of a feature.
func (r *reader) needs(f Feature, format string, args ...any) {
	r.failAt(r.at, f, format+" needs "+string(f), args...)
}

func (r *reader) failAt(at int, f Feature, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: r.base + at, Feature: f, Detail: fmt.Sprintf(format, args...)}
		r.at = len(r.data)
	}
}

// counted asks check whether there may be so many.
func (r *reader) counted(what Count, n uint64, at int) {
	if r.check == nil || r.err != nil {
		return
	}
	if r.err = r.check(what, n, r.base+at); r.err != nil {
		r.at = len(r.data)
	}
}

// peek is the next byte, if there is one.
func (r *reader) peek() byte {
	if r.done() {
		return 0
	}
	return r.data[r.at]
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

func (r *reader) name() string { return string(r.text()) }

// text reads bytes that must be UTF-8.
func (r *reader) text() []byte {
	at := r.at
	t := r.bytes(r.uint32())
	if !utf8.Valid(t) {
		r.failAt(at, "", "a name is not UTF-8")
	}
	return t
}

// part returns a reader of the next n bytes.
func (r *reader) part(n uint32) *reader {
	base := r.base + r.at
	return &reader{data: r.bytes(n), base: base, err: r.err, check: r.check}
}
