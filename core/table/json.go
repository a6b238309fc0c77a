package table

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// jsonRows reads objects: the elements of one array, or one after the other.
type jsonRows struct {
	in      *guarded
	decoder *json.Decoder
	array   bool
	started bool
}

func newJSONRows(in *guarded) *jsonRows {
	return &jsonRows{in: in, decoder: json.NewDecoder(in)}
}

// next returns the next object, or io.EOF.
func (j *jsonRows) next() (value, error) {
	if !j.started {
		if err := j.start(); err != nil {
			return value{}, err
		}
	}
	if j.array && !j.decoder.More() {
		return value{}, j.finish()
	}
	at := j.decoder.InputOffset()
	j.in.row(at)
	var raw json.RawMessage
	if err := j.decoder.Decode(&raw); err != nil {
		return value{}, j.explain(err)
	}
	if raw[0] != '{' {
		return value{}, j.in.at(j.decoder.InputOffset()-int64(len(raw)), "want an object of column values, found "+what(raw))
	}
	v, err := parseObject(raw, 0)
	if err != nil {
		return value{}, j.in.at(j.decoder.InputOffset()-int64(len(raw)), err.Error())
	}
	return v, nil
}

// start looks whether the objects are in an array.
func (j *jsonRows) start() error {
	j.started = true
	first, err := j.in.peekByte()
	if err != nil {
		return err
	}
	if first != '[' {
		return nil
	}
	j.array = true
	_, err = j.decoder.Token()
	return err
}

// finish reads the end of the array, and makes sure that nothing follows.
func (j *jsonRows) finish() error {
	if _, err := j.decoder.Token(); err != nil {
		return j.explain(err)
	}
	if _, err := j.decoder.Token(); !errors.Is(err, io.EOF) {
		return j.in.at(j.decoder.InputOffset(), "something follows the end of the array")
	}
	return io.EOF
}

// explain gives an error of the decoder its place.
func (j *jsonRows) explain(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return j.in.at(j.in.rowStart+j.syntaxOffset(), syntax.Error())
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF) && j.array:
		return j.in.at(j.in.offset, "the file ends in the middle of a value")
	}
	return err
}

// syntaxOffset finds the wrong byte again, from the start of the row: inside an
// array the decoder's own offset leaves out what it skips between elements.
func (j *jsonRows) syntaxOffset() int64 {
	row := bufio.NewReader(io.NewSectionReader(j.in.file, j.in.skipped+j.in.rowStart, 2*maxRow))
	between := int64(0)
	for {
		c, err := row.ReadByte()
		if err != nil {
			return between
		}
		if !strings.ContainsRune(", \t\r\n", rune(c)) {
			break
		}
		between++
	}
	_ = row.UnreadByte() // a byte was read just now
	var value json.RawMessage
	var syntax *json.SyntaxError
	if err := json.NewDecoder(row).Decode(&value); errors.As(err, &syntax) {
		return between + syntax.Offset - 1
	}
	return between
}

func what(raw json.RawMessage) string {
	switch raw[0] {
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// parseObject reads an object with its fields in order.
func parseObject(raw []byte, depth int) (value, error) {
	v := value{object: true, text: string(raw)}
	if depth > maxDepth {
		return v, fmt.Errorf("objects nest more than %d deep", maxDepth)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return v, err
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return v, err
		}
		key, _ := token.(string)
		if seen[key] {
			return v, fmt.Errorf("the key %q stands there twice", key)
		}
		seen[key] = true
		var content json.RawMessage
		if err := d.Decode(&content); err != nil {
			return v, err
		}
		fv, err := parseValue(content, depth)
		if err != nil {
			return v, err
		}
		v.fields = append(v.fields, field{key, fv})
	}
	return v, nil
}

func parseValue(raw json.RawMessage, depth int) (value, error) {
	switch raw[0] {
	case '{':
		return parseObject(raw, depth+1)
	case '[':
		var compact bytes.Buffer
		err := json.Compact(&compact, raw)
		return value{kind: text, text: compact.String()}, err
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return value{}, err
		}
		return textCell(text, s)
	case 't', 'f':
		return value{kind: boolean, text: string(raw)}, nil
	case 'n':
		return value{null: true}, nil
	}
	return value{kind: number, text: string(raw)}, nil
}
