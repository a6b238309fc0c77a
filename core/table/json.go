package table

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"thresher/core/jsontext"
)

// jsonRows reads objects: the elements of one array, or one after the other.
type jsonRows struct {
	in      *guarded
	decoder *json.Decoder
	raw     json.RawMessage // the row; reused
	parser  parser
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
	j.in.row(j.decoder.InputOffset())
	if err := j.decoder.Decode(&j.raw); err != nil {
		return value{}, j.explain(err)
	}
	start := j.decoder.InputOffset() - int64(len(j.raw))
	if j.raw[0] != '{' {
		return value{}, j.in.at(start, "want an object of column values, found "+what(j.raw))
	}
	var changed *jsontext.Changed
	if errors.As(jsontext.Check(j.raw), &changed) {
		return value{}, j.in.at(start+int64(changed.Offset), changed.Message)
	}
	j.parser.reset(j.raw)
	v, err := j.parser.object(0)
	if err != nil {
		return value{}, j.in.at(start, err.Error())
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
	j.in.row(j.decoder.InputOffset())
	_, err := j.decoder.Token()
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err == nil, errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return j.in.at(j.decoder.InputOffset(), "something follows the end of the array")
	}
	return err
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
	row := bufio.NewReader(j.in.section(j.in.rowStart, 2*maxRow))
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
