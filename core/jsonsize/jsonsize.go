// Package jsonsize measures what encoding/json makes of a value without encoding it,
// and cuts text to a size in JSON.
//
// Records are stored as JSON, and their bounds are bounds of that JSON. The length of a
// text says little about it: a control character takes one byte and becomes the six
// bytes \u0001. Functions are pure.
package jsonsize

import (
	"unicode/utf8"
)

// PerByte is the max number of bytes in JSON for one byte of text: \u0001 for a control
// character, \u003c for <, \ufffd for a byte that is not UTF-8.
const PerByte = 6

const (
	quotes = 2
	// The line separators U+2028 and U+2029 are escaped, though they are valid in JSON.
	lineSeparator      = '\u2028'
	paragraphSeparator = '\u2029'
)

// String returns how many bytes encoding/json writes for a string, quotes included.
func String(s string) int {
	n := quotes
	for len(s) > 0 {
		width, size := first(s)
		n, s = n+size, s[width:]
	}
	return n
}

// first returns how many bytes the first character has, and how many in JSON.
func first(s string) (width, size int) {
	if c := s[0]; c < utf8.RuneSelf {
		return 1, ascii(c)
	}
	r, width := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && width == 1 || r == lineSeparator || r == paragraphSeparator {
		return width, PerByte
	}
	return width, width
}

func ascii(c byte) int {
	switch c {
	case '"', '\\', '\b', '\f', '\n', '\r', '\t':
		return 2
	case '<', '>', '&':
		return PerByte
	}
	if c < ' ' {
		return PerByte
	}
	return 1
}

// Raw returns a bound of what encoding/json writes for a [json.RawMessage]: it drops
// white space, which is counted here, and escapes <, > and & as it does in strings.
func Raw(raw []byte) int {
	n := len(raw)
	for i, c := range raw {
		switch {
		case c == '<', c == '>', c == '&':
			n += PerByte - 1
		case c == 0xE2 && i+2 < len(raw) && raw[i+1] == 0x80 && raw[i+2]&^1 == 0xA8: // a separator
			n += PerByte - 3
		}
	}
	return n
}

// Mark is what ends a text that was cut.
const Mark = "…"

// Cut returns a text that takes at most max bytes in JSON, without the quotes: s, or its
// beginning and Mark. It never splits a character.
func Cut(s string, max int) string {
	size, end := 0, 0 // end is where Mark still fits behind
	for at := 0; at < len(s); {
		width, more := first(s[at:])
		if size+more > max {
			return s[:end] + Mark
		}
		at, size = at+width, size+more
		if size+len(Mark) <= max {
			end = at
		}
	}
	return s
}

// CutStart is Cut for a text whose end says more than its beginning, such as a path: it
// returns s, or Mark and its end.
func CutStart(s string, max int) string {
	if String(s)-quotes <= max {
		return s
	}
	size, at := len(Mark), len(s)
	for {
		_, width := utf8.DecodeLastRuneInString(s[:at])
		_, more := first(s[at-width:])
		if size+more > max {
			return Mark + s[at:]
		}
		at, size = at-width, size+more
	}
}
