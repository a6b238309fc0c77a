package jsontext

import (
	"bytes"
	"encoding/json"
)

// Twice finds a name that an object in a valid JSON value has more than once. Decoders
// differ in which of its values they take.
func Twice(value []byte) (name string, found bool) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber() // else one beyond the range of floats ends the search
	return twice(d)
}

func twice(d *json.Decoder) (name string, found bool) {
	switch open, _ := d.Token(); open {
	case json.Delim('{'):
		return twiceInObject(d)
	case json.Delim('['):
		for d.More() && !found {
			name, found = twice(d)
		}
		_, _ = d.Token() // its end
	}
	return name, found
}

func twiceInObject(d *json.Decoder) (name string, found bool) {
	names := map[string]bool{}
	for d.More() {
		token, _ := d.Token()
		next, _ := token.(string)
		if names[next] {
			return next, true
		}
		names[next] = true
		if name, found = twice(d); found {
			return name, true
		}
	}
	_, _ = d.Token() // its end
	return "", false
}
