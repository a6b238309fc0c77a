package sandbox

// jsonNesting is how deep JSON may be nested: as encoding/json has it.
const jsonNesting = 10_000

// jsonText reads JSON as [encoding/json.Valid] does, but part by part: it takes tens of
// milliseconds for what a guest may hand over.
type jsonText struct {
	text []byte
	at   int
	open []byte // the brackets around
	due  int    // where the next part begins
	pay  func(next int)
}

// isJSON reports whether a text is a value in JSON. It calls pay with the length of each
// part before it reads it.
func isJSON(text []byte, pay func(next int)) bool {
	j := jsonText{text: text, pay: pay}
	j.payPart()
	for {
		switch begun, ok := j.value(); {
		case !ok:
			return false
		case begun:
			continue // with the first value in it
		}
		switch more, ok := j.behind(); {
		case !ok:
			return false
		case !more:
			return j.at == len(j.text)
		}
	}
}

// peek returns the next byte that means something, or 0 at the end.
func (j *jsonText) peek() byte {
	for ; j.at < len(j.text); j.at++ {
		j.payPart()
		switch c := j.text[j.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (j *jsonText) payPart() {
	if j.at >= j.due {
		next := min(partBytes, len(j.text)-j.due)
		j.due += next
		j.pay(next)
	}
}

// value reads a value, or the beginning of one that has values in it.
func (j *jsonText) value() (begun, ok bool) {
	switch c := j.peek(); c {
	case '{', '[':
		return j.bracket(c)
	case '"':
		return false, j.string()
	case 't':
		return false, j.word("true")
	case 'f':
		return false, j.word("false")
	case 'n':
		return false, j.word("null")
	}
	return false, j.number()
}

func (j *jsonText) bracket(c byte) (begun, ok bool) {
	j.at++
	if j.peek() == c+2 { // that is what closes it
		j.at++
		return false, len(j.open) < jsonNesting
	}
	j.open = append(j.open, c)
	return true, len(j.open) <= jsonNesting && (c == '[' || j.key())
}

// behind reads what follows a value: closing brackets, and a comma if there is more.
func (j *jsonText) behind() (more, ok bool) {
	for {
		c := j.peek()
		if len(j.open) == 0 {
			return false, true
		}
		last := j.open[len(j.open)-1]
		j.at++
		switch c {
		case ',':
			return true, last == '[' || j.key()
		case last + 2: // that closes it
			j.open = j.open[:len(j.open)-1]
		default:
			return false, false
		}
	}
}

func (j *jsonText) key() bool {
	if j.peek() != '"' || !j.string() || j.peek() != ':' {
		return false
	}
	j.at++
	return true
}

func (j *jsonText) word(want string) bool {
	if len(j.text)-j.at < len(want) || string(j.text[j.at:j.at+len(want)]) != want {
		return false
	}
	j.at += len(want)
	return true
}

func (j *jsonText) string() bool {
	for j.at++; j.at < len(j.text); j.at++ {
		j.payPart()
		c := j.text[j.at]
		if c == '"' {
			j.at++
			return true
		}
		if c < ' ' || c == '\\' && !j.escape() {
			return false
		}
	}
	return false
}

// escape reads what follows a backslash, up to its last byte.
func (j *jsonText) escape() bool {
	j.at++
	if j.at == len(j.text) {
		return false
	}
	switch j.text[j.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if j.at++; j.at == len(j.text) || !isHex(j.text[j.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (j *jsonText) number() bool {
	j.skip('-', '-')
	if j.skip('0', '0') == 0 && j.digits() == 0 {
		return false
	}
	if j.skip('.', '.') == 1 && j.digits() == 0 {
		return false
	}
	if j.skip('e', 'e') == 0 && j.skip('E', 'E') == 0 {
		return true
	}
	if j.skip('+', '+') == 0 {
		j.skip('-', '-')
	}
	return j.digits() > 0
}

func (j *jsonText) digits() (n int) {
	for j.skip('0', '9') == 1 {
		j.payPart()
		n++
	}
	return n
}

// skip passes over one byte, if it is in a range.
func (j *jsonText) skip(from, to byte) int {
	if j.at < len(j.text) && from <= j.text[j.at] && j.text[j.at] <= to {
		j.at++
		return 1
	}
	return 0
}
