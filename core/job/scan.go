package job

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// errNotJSON is for what this program did not write: records have a checksum.
var errNotJSON = errors.New("a record is not the JSON that is written")

// scan goes through JSON without spaces, as encoding/json writes it, once, and
// decodes what it is asked for; the strings are parts of it. After an error there is
// nothing more to come. It never panics, and does not find everything that is wrong
// with what it skips.
type scan struct {
	json string
	at   int
	err  error
}

func (s *scan) fail() {
	if s.err == nil {
		s.err = errNotJSON
	}
	s.at = len(s.json)
}

// take takes a byte, if it is the next one.
func (s *scan) take(c byte) bool {
	if s.at < len(s.json) && s.json[s.at] == c {
		s.at++
		return true
	}
	return false
}

// open begins an object or array, and reports whether there is anything in it.
func (s *scan) open(opening, closing byte) bool {
	if strings.HasPrefix(s.json[s.at:], "null") {
		s.at += len("null")
		return false
	}
	if !s.take(opening) {
		s.fail()
		return false
	}
	return !s.take(closing)
}

// more reports whether another field or element follows.
func (s *scan) more(closing byte) bool {
	if s.take(',') {
		return true
	}
	if !s.take(closing) {
		s.fail()
	}
	return false
}

// name takes the name of a field.
func (s *scan) name() string {
	name := s.text()
	if !s.take(':') {
		s.fail()
	}
	return name
}

// text takes a string and decodes it.
func (s *scan) text() string {
	quoted := s.json[s.at:s.stringEnd(s.at)]
	s.at += len(quoted)
	if len(quoted) < 2 {
		s.fail()
		return ""
	}
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var text string
	if err := json.Unmarshal([]byte(quoted), &text); err != nil {
		s.fail()
	}
	return text
}

// stringEnd returns where the string that begins at a place ends; that place if none
// does.
func (s *scan) stringEnd(start int) int {
	if start >= len(s.json) || s.json[start] != '"' {
		return start
	}
	for at := start + 1; ; {
		quote := strings.IndexByte(s.json[at:], '"')
		if quote < 0 {
			return start
		}
		at += quote + 1
		escapes := 0
		for s.json[at-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at
		}
	}
}

// number takes a whole number.
func (s *scan) number() int64 {
	n, err := strconv.ParseInt(s.value(), 10, 64)
	if err != nil {
		s.fail()
	}
	return n
}

// value takes a value as it stands.
func (s *scan) value() string {
	start, depth := s.at, 0
	for at := start; at < len(s.json); at++ {
		switch s.json[at] {
		case '"':
			end := s.stringEnd(at)
			if end == at {
				s.fail()
				return ""
			}
			at = end - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				s.at = at
				return s.json[start:at] // of a number or a word
			}
		case ',':
			if depth == 0 {
				s.at = at
				return s.json[start:at] // likewise
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			s.at = at + 1
			return s.json[start:s.at]
		}
	}
	s.fail()
	return ""
}
