// Package jsontext reads valid JSON without decoding it, and finds what a decoder would
// change without a word. Its functions share no state.
package jsontext

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Changed is text that Go's decoder replaces.
type Changed struct {
	Offset  int // where it begins, in bytes
	Message string
}

func (c *Changed) Error() string { return c.Message }

// Check returns a [*Changed] for the first text of a valid JSON value that is not UTF-8, or
// that has half of a surrogate pair.
func Check(value []byte) error {
	if !utf8.Valid(value) {
		return &Changed{firstInvalid(value), "the text is not UTF-8"}
	}
	for at := 0; ; {
		next := bytes.IndexByte(value[at:], '\\')
		if next < 0 {
			return nil
		}
		at += next
		n := escape(value[at:])
		if n == 0 {
			return &Changed{at, fmt.Sprintf("%s is half of a surrogate pair, which is no character: want both halves, or another character", value[at:at+6])}
		}
		at += n
	}
}

// escape returns how long the escape is that text begins with, or 0 for half of a
// surrogate pair.
func escape(text []byte) int {
	const unit = len(`\ud800`)
	switch {
	case text[1] != 'u':
		return len(`\n`)
	case !surrogate(text, "89ab") && !surrogate(text, "cdef"):
		return unit
	case surrogate(text, "89ab") && bytes.HasPrefix(text[unit:], []byte(`\u`)) && surrogate(text[unit:], "cdef"):
		return 2 * unit
	}
	return 0
}

// surrogate reports whether text begins with the escape of a surrogate: \ud and one of
// some digits.
func surrogate(text []byte, digits string) bool {
	code := strings.ToLower(string(text[2:4]))
	return code[0] == 'd' && strings.Contains(digits, code[1:])
}

// QuotedLen returns how many bytes the quoted text has that valid JSON begins with.
func QuotedLen(value []byte) int {
	n := 1
	for ; value[n] != '"'; n++ {
		if value[n] == '\\' {
			n++
		}
	}
	return n + 1
}

// firstInvalid returns where text stops being UTF-8.
func firstInvalid(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}
