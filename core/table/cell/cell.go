// Package cell tells what the cells of a column are: it reads values as text has them, and
// finds the narrowest type that all values of a column have. It is used for tables in the
// server and in the tests of plugins, and needs nothing but Go's own library. Functions
// are pure; a [Column] is for one goroutine at a time.
package cell

import "strconv"

// Kind is what a value is before its column has a type.
type Kind int

// The kinds.
const (
	Untyped Kind = iota // text of a CSV cell: it is what it looks like
	Text
	Number
	Boolean
)

// Column is the set of types that all values of a column so far have. The zero value is
// a column without values.
type Column struct {
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

// Observe rules out the types that a value does not have.
func (c *Column) Observe(k Kind, s string) {
	if k == Untyped && Null(s) {
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
	if !c.not[asTime] && !isTime(k, s) { // not every date is a timestamp too
		c.not[asTime] = true
	}
}

// Empty reports whether no value was seen but nulls.
func (c *Column) Empty() bool { return c.values == 0 }

// Type is the name of the narrowest type that all values have.
func (c *Column) Type() string {
	if !c.Empty() {
		for as, name := range []string{"int64", "float64", "bool", "date", "timestamp"} {
			if !c.not[as] {
				return name
			}
		}
	}
	return "string"
}

// Null reports whether a CSV cell stands for a missing value in a column that is
// otherwise not text. An empty cell is null in any column.
func Null(s string) bool {
	switch s {
	case "NA", "N/A", "NaN", "nan", "null", "NULL", "None":
		return true
	}
	return false
}

func isInt(k Kind, s string) bool {
	_, ok := Int(s)
	return ok && (k == Untyped || k == Number)
}

// Int accepts what survives a round trip: "007" and numbers past 64 bits are
// no integers, so that identifiers keep their zeros.
func Int(s string) (int64, bool) {
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

func isFloat(k Kind, s string) bool {
	_, ok := Float(s)
	return ok && (k == Untyped || k == Number)
}

// Float reads decimal notation and infinities, not Go's hexadecimal floats
// and underscores, nor numbers past the range of a float.
func Float(s string) (float64, bool) {
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

func isBool(k Kind, s string) bool {
	if k == Boolean {
		return true
	}
	_, ok := Bool(s)
	return k == Untyped && ok
}

// Bool reads true and false, as programs commonly write them.
func Bool(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}
