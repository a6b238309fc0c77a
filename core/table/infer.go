package table

import (
	"fmt"
	"strconv"
	"strings"
	"time"

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
	values int64 // that are not null
	tokens int64 // untyped values that mean null unless the column is text
	not    [6]bool
}

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
		c.tokens++
		return
	}
	c.values++
	for as, parses := range map[int]func(kind, string) bool{
		asInt: isInt, asFloat: isFloat, asBool: isBool, asDate: isDate, asTime: isTime,
	} {
		if !c.not[as] && !parses(k, s) {
			c.not[as] = true
		}
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

// isInt accepts what survives a round trip: "007" and numbers past 64 bits are no
// integers, so that identifiers keep their zeros.
func isInt(k kind, s string) bool {
	if k != untyped && k != number {
		return false
	}
	_, err := parseInt(s)
	return err == nil
}

func parseInt(s string) (int64, error) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) > 1 && digits[0] == '0' || strings.HasPrefix(s, "+") {
		return 0, fmt.Errorf("%q is not an integer", s)
	}
	return strconv.ParseInt(s, 10, 64)
}

func isFloat(k kind, s string) bool {
	if k != untyped {
		return k == number
	}
	if digits := strings.TrimLeft(s, "+-"); len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return false // as for integers
	}
	_, err := parseFloat(s)
	return err == nil
}

// parseFloat reads decimal notation and infinities, not Go's hexadecimal floats
// and underscores.
func parseFloat(s string) (float64, error) {
	if strings.ContainsAny(s, "xX_pP") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return strconv.ParseFloat(s, 64)
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

func isDate(k kind, s string) bool {
	_, ok := parseDate(s)
	return (k == untyped || k == text) && ok
}

func parseDate(s string) (arrow.Date32, bool) {
	if len(s) != len(time.DateOnly) || s[4] != '-' {
		return 0, false
	}
	t, err := time.Parse(time.DateOnly, s)
	return arrow.Date32FromTime(t), err == nil
}

func isTime(k kind, s string) bool {
	_, ok := parseTime(s)
	return (k == untyped || k == text) && ok
}

// timeLayouts are the ways to write a timestamp. Without a zone it is UTC.
var timeLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04",
	"2006-01-02T15:04",
	"2006/01/02 15:04:05.999999999",
	"2006/01/02 15:04",
	time.DateOnly, // among timestamps, a date is its midnight
}

// Timestamps outside these years do not fit 64 bits of nanoseconds, which most
// readers use.
const firstYear, lastYear = 1678, 2261

func parseTime(s string) (arrow.Timestamp, bool) {
	if len(s) < len(time.DateOnly) || s[0] < '0' || s[0] > '9' || s[4] != '-' && s[4] != '/' {
		return 0, false
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return arrow.Timestamp(t.UnixMicro()), t.Year() >= firstYear && t.Year() <= lastYear
		}
	}
	return 0, false
}
