package table

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// kind is what a value is before its column has a type.
type kind int

const (
	untyped kind = iota // text of a CSV cell: it is what it looks like
	text
	number
	boolean
)

// candidate is the set of types that all values of a column so far have.
type candidate struct {
	values int64 // that are not null, nor a null token
	not    [asText]bool
}

// The types, narrowest first.
const (
	asInt = iota
	asFloat
	asBool
	asDate
	asTime
	asText // never ruled out
)

// observe rules out the types that a value does not have.
func (c *candidate) observe(k kind, s string) {
	if k == untyped && nullToken(s) {
		return
	}
	c.values++
	if !c.not[asInt] && !isInt(k, s) {
		c.not[asInt] = true
	}
	if c.not[asInt] && !c.not[asFloat] && !isFloat(k, s) { // an integer is a float too
		c.not[asFloat] = true
	}
	if !c.not[asBool] && !isBool(k, s) {
		c.not[asBool] = true
	}
	if !c.not[asDate] && !isDate(k, s) {
		c.not[asDate] = true
	}
	if c.not[asDate] && !c.not[asTime] && !isTime(k, s) { // a date is a timestamp too
		c.not[asTime] = true
	}
}

// dataType is the narrowest type that all values have.
func (c *candidate) dataType() arrow.DataType {
	if c.values == 0 {
		return String
	}
	for as, t := range []arrow.DataType{Int64, Float64, Bool, Date, Timestamp} {
		if !c.not[as] {
			return t
		}
	}
	return String
}

// nullToken reports whether a CSV cell stands for a missing value in a column
// that is otherwise not text. An empty cell is null in any column.
func nullToken(s string) bool {
	switch s {
	case "NA", "N/A", "NaN", "nan", "null", "NULL", "None":
		return true
	}
	return false
}

func isInt(k kind, s string) bool {
	_, ok := parseInt(s)
	return ok && (k == untyped || k == number)
}

// parseInt accepts what survives a round trip: "007" and numbers past 64 bits are
// no integers, so that identifiers keep their zeros.
func parseInt(s string) (int64, bool) {
	if s == "" || s[0] == '+' || leadingZero(s) {
		return 0, false
	}
	if c := s[len(s)-1]; c < '0' || c > '9' {
		return 0, false // most text, without the cost of an error
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func leadingZero(s string) bool {
	for len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	return len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9'
}

func isFloat(k kind, s string) bool {
	_, ok := parseFloat(s)
	return ok && (k == untyped || k == number)
}

// parseFloat reads decimal notation and infinities, not Go's hexadecimal floats
// and underscores, nor numbers past the range of a float.
func parseFloat(s string) (float64, bool) {
	if s == "" || leadingZero(s) {
		return 0, false
	}
	for i := range len(s) {
		switch s[i] {
		case 'x', 'X', '_', 'p', 'P':
			return 0, false
		}
	}
	if c := s[0]; c > '9' && c != 'i' && c != 'I' && c != 'n' && c != 'N' {
		return 0, false // most text, without the cost of an error
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

func isBool(k kind, s string) bool {
	if k == boolean {
		return true
	}
	_, ok := parseBool(s)
	return k == untyped && ok
}

func parseBool(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}
