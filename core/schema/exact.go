package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"thresher/core/jsontext"
)

// exact returns a valid JSON value as decoders of any language read it without a change:
// a whole number is written as an integer, as 100.0 and 1e2 are integers to JSON Schema
// but not to most decoders. What decoders would change is an error: a number beyond the
// range of floats, half of a surrogate pair, and text that is not UTF-8.
func exact(value json.RawMessage) (json.RawMessage, error) {
	if err := jsontext.Check(value); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(value))
	for len(value) > 0 {
		switch c := value[0]; {
		case c == '"':
			n := jsontext.QuotedLen(value)
			out, value = append(out, value[:n]...), value[n:]
		case c == '-' || c >= '0' && c <= '9':
			n := len(value) - len(bytes.TrimLeft(value, "+-.eE0123456789"))
			number := string(value[:n])
			if _, err := strconv.ParseFloat(number, 64); err != nil {
				return nil, fmt.Errorf("%.40s is beyond the range of numbers, ±1.8e308", number)
			}
			out, value = append(out, plainInteger(number)...), value[n:]
		default:
			out, value = append(out, c), value[1:]
		}
	}
	return out, nil
}

// mostDigits is how many digits an integer of 64 bits can have.
const mostDigits = 20

// plainInteger writes a whole number of up to 64 bits without a point or an exponent. Other
// numbers stay as they are.
func plainInteger(number string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	if mantissa == number && !strings.Contains(number, ".") {
		return number
	}
	sign := ""
	if rest, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", rest
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return sign + "0"
	}
	power, err := strconv.Atoi(cmp.Or(exponent, "0"))
	significant := strings.TrimRight(digits, "0")
	zeros := power - len(fraction) + len(digits) - len(significant)
	if err != nil || zeros < 0 || len(significant)+zeros > mostDigits {
		return number
	}
	return sign + significant + strings.Repeat("0", zeros)
}
