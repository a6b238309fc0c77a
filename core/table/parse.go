package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"thresher/core/jsontext"
	"thresher/core/table/cell"
)

// parser reads JSON that is known to be valid, so it looks only at what tells
// values apart. Each row is parsed twice, and package json takes ten times as long.
type parser struct {
	raw  []byte
	at   int
	keys map[string]string // of the rows so far, so that each is allocated once
	row  []field           // reused
}

func (p *parser) reset(raw []byte) { p.raw, p.at = raw, 0 }

// parseObject reads an object with its fields in order. The JSON is valid, without
// white space around it.
func parseObject(raw []byte, depth int) (value, error) {
	p := &parser{}
	p.reset(raw)
	return p.object(depth)
}

func (p *parser) space() {
	for p.at < len(p.raw) {
		switch p.raw[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// object reads an object, at whose brace the parser stands.
func (p *parser) object(depth int) (value, error) {
	v := value{object: true}
	if depth == 0 {
		v.fields = p.row[:0] // valid until the next row
	}
	if depth > maxDepth {
		return v, fmt.Errorf("objects nest more than %d deep", maxDepth)
	}
	start := p.at
	p.at++
	for {
		p.space()
		if p.raw[p.at] == '}' {
			p.at++
			break
		}
		if p.raw[p.at] == ',' {
			p.at++
			continue
		}
		key, err := p.key()
		if err != nil {
			return v, err
		}
		fv, err := p.value(depth)
		if err != nil {
			return v, err
		}
		v.fields = append(v.fields, field{key, fv})
	}
	if depth > 0 {
		v.text = string(p.raw[start:p.at])
	} else {
		p.row = v.fields
	}
	return v, unique(v.fields)
}

// key reads a key and the colon behind it.
func (p *parser) key() (string, error) {
	start := p.at
	p.skipText()
	quoted := p.raw[start:p.at]
	p.space()
	p.at++
	if known, ok := p.keys[string(quoted)]; ok {
		return known, nil
	}
	key, err := unquote(quoted)
	if err != nil {
		return "", err
	}
	if len(key) > maxNameLength {
		return "", fmt.Errorf("the key %.40q is longer than %d bytes", key, maxNameLength)
	}
	if p.keys == nil {
		p.keys = map[string]string{}
	}
	if len(p.keys) < MaxColumns {
		p.keys[string(quoted)] = key
	}
	return key, nil
}

// unique makes sure that no key is there twice.
func unique(fields []field) error {
	const few = 16 // up to here, comparing all is quicker than a map
	if len(fields) <= few {
		for i, f := range fields {
			for _, g := range fields[:i] {
				if f.key == g.key {
					return fmt.Errorf("the key %q is there twice", f.key)
				}
			}
		}
		return nil
	}
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if seen[f.key] {
			return fmt.Errorf("the key %q is there twice", f.key)
		}
		seen[f.key] = true
	}
	return nil
}

func (p *parser) value(depth int) (value, error) {
	p.space()
	start := p.at
	switch p.raw[p.at] {
	case '{':
		return p.object(depth + 1)
	case '[':
		return p.array(), nil
	case '"':
		s, err := p.text()
		return textCell(cell.Text, s), err
	case 'n':
		p.at += len("null")
		return value{null: true}, nil
	case 't':
		p.at += len("true")
		return value{kind: cell.Boolean, text: "true"}, nil
	case 'f':
		p.at += len("false")
		return value{kind: cell.Boolean, text: "false"}, nil
	}
	for p.at < len(p.raw) && !strings.ContainsRune(",}] \t\r\n", rune(p.raw[p.at])) {
		p.at++
	}
	return value{kind: cell.Number, text: string(p.raw[start:p.at])}, nil
}

// text reads a string, at whose quote the parser stands.
func (p *parser) text() (string, error) {
	start := p.at
	p.skipText()
	return unquote(p.raw[start:p.at])
}

// skipText goes behind a string.
func (p *parser) skipText() { p.at += jsontext.QuotedLen(p.raw[p.at:]) }

func unquote(quoted []byte) (s string, err error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	err = json.Unmarshal(quoted, &s)
	return s, err
}

// array reads an array as its own text, without white space.
func (p *parser) array() value {
	var compact []byte
	for depth := 0; ; {
		start := p.at
		switch c := p.raw[p.at]; c {
		case '"':
			p.skipText()
			compact = append(compact, p.raw[start:p.at]...)
			continue
		case '[':
			depth++
		case ']':
			depth--
		case ' ', '\t', '\n', '\r':
			p.at++
			continue
		}
		p.at++
		compact = append(compact, p.raw[start])
		if depth == 0 {
			return value{kind: cell.Text, text: string(compact)}
		}
	}
}
