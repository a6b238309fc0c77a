package problem

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

const wantTime = "want a time as RFC 3339 writes it, such as 2026-01-31T13:00:00Z"

// wants says what would be right where huma says what it did not get.
var wants = map[string]string{
	"invalid boolean":                     "want true or false",
	"invalid float":                       "want a number",
	"invalid integer":                     "want an integer",
	validation.MsgExpectedArray:           "want an array",
	validation.MsgExpectedBoolean:         "want true or false",
	validation.MsgExpectedInteger:         "want an integer",
	validation.MsgExpectedNumber:          "want a number",
	validation.MsgExpectedObject:          "want an object",
	validation.MsgExpectedRFC3339DateTime: wantTime,
	validation.MsgExpectedString:          "want a string",
}

// fieldMessage says what is wrong with a field as the rest of the server does: its
// value, and what would be right.
func fieldMessage(d *huma.ErrorDetail) string {
	want := wantOf(d.Message)
	if value := shown(d.Value); value != "" && want != d.Message {
		return value + ": " + want
	}
	return want
}

// wantOf returns a message that it does not know as it is.
func wantOf(message string) string {
	if want, ok := wants[message]; ok {
		return want
	}
	if strings.HasPrefix(message, "invalid date/time for format ") { // and Go's layout
		return wantTime
	}
	for _, bound := range [][2]string{{"expected number >= ", "want at least "}, {"expected number <= ", "want at most "}} {
		if number, ok := strings.CutPrefix(message, bound[0]); ok {
			return bound[1] + number
		}
	}
	before, after, _ := strings.Cut(validation.MsgExpectedOneOf, "%s")
	if list, ok := strings.CutPrefix(message, before); ok {
		return "want one of " + strings.TrimSuffix(list, after)
	}
	return message
}

// shown is a value as an error shows it, or nothing where it is not one word or number.
func shown(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%.40q", v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool, int, int64, uint64:
		return fmt.Sprint(v)
	}
	return ""
}
