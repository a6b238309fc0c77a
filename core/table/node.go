package table

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// node is a column to be, or, if every value that it has is an object, the parent
// of the columns that its fields become. The first pass over the data grows the
// tree of nodes; the second fills the builders of its leaves.
type node struct {
	name     string // path, joined by dots
	cells    candidate
	objects  int64 // values that are objects
	children []*node
	byKey    map[string]*node

	leaf    bool // set by plan
	builder array.Builder
	rows    int64 // values appended, with nulls
}

// value is one cell: null, scalar or object.
type value struct {
	kind   kind
	null   bool
	text   string  // of a scalar
	fields []field // of an object; text is then its JSON
	object bool
}

type field struct {
	key   string
	value value
}

// maxDepth is how deep objects may nest.
const maxDepth = 32

// child returns the node for a key, making it if it is new.
func (n *node) child(key string) *node {
	if c, ok := n.byKey[key]; ok {
		return c
	}
	if n.byKey == nil {
		n.byKey = map[string]*node{}
	}
	name := key
	if n.name != "" {
		name = n.name + "." + key
	}
	c := &node{name: name}
	n.byKey[key] = c
	n.children = append(n.children, c)
	return c
}

// observe takes in a value in the first pass.
func (n *node) observe(v value) {
	switch {
	case v.null:
	case v.object:
		n.objects++
		for _, f := range v.fields {
			n.child(f.key).observe(f.value)
		}
	default:
		n.cells.observe(v.kind, v.text)
	}
}

// flat reports whether the node's values become columns of their own.
func (n *node) flat() bool {
	return n.objects > 0 && n.cells.values == 0 && n.cells.tokens == 0 && len(n.children) > 0
}

// plan returns the leaves below n in the order they were first seen.
func (n *node) plan() (leaves []*node) {
	for _, c := range n.children {
		if c.flat() {
			leaves = append(leaves, c.plan()...)
			continue
		}
		c.leaf = true
		leaves = append(leaves, c)
	}
	return leaves
}

func (n *node) dataType() arrow.DataType {
	if n.objects > 0 {
		return String
	}
	return n.cells.dataType()
}

// append takes in a value in the second pass, for the row with that index.
func (n *node) append(v value, row int64) error {
	if !n.leaf {
		for _, f := range v.fields {
			if err := n.child(f.key).append(f.value, row); err != nil {
				return err
			}
		}
		return nil
	}
	if n.builder == nil {
		return nil // a field of an object that is kept as text
	}
	n.fill(row)
	n.rows++
	if v.null {
		n.builder.AppendNull()
		return nil
	}
	return n.appendScalar(v)
}

// fill appends nulls for the rows before that had no value.
func (n *node) fill(row int64) {
	for ; n.rows < row; n.rows++ {
		n.builder.AppendNull()
	}
}

func (n *node) appendScalar(v value) error {
	if b, isText := n.builder.(*array.StringBuilder); isText {
		b.Append(v.text)
		return nil
	}
	if v.kind == untyped && nullToken(v.text) {
		n.builder.AppendNull()
		return nil
	}
	ok := false
	switch b := n.builder.(type) {
	case *array.Int64Builder:
		i, err := parseInt(v.text)
		b.Append(i)
		ok = err == nil
	case *array.Float64Builder:
		f, err := parseFloat(v.text)
		b.Append(f)
		ok = err == nil
	case *array.BooleanBuilder:
		var t bool
		t, ok = parseBool(v.text)
		b.Append(t)
	case *array.Date32Builder:
		var d arrow.Date32
		d, ok = parseDate(v.text)
		b.Append(d)
	case *array.TimestampBuilder:
		var t arrow.Timestamp
		t, ok = parseTime(v.text)
		b.Append(t)
	}
	if !ok { // the first pass saw every value: this one has changed since
		return fmt.Errorf("column %s: %q is not %s", n.name, v.text, n.builder.Type())
	}
	return nil
}

// textCell is the value of a CSV cell, or of a JSON string. Text that is a JSON
// object counts as one.
func textCell(k kind, s string) (value, error) {
	if trimmed := strings.TrimSpace(s); strings.HasPrefix(trimmed, "{") && json.Valid([]byte(trimmed)) {
		v, err := parseObject([]byte(trimmed), 1)
		v.text = s
		return v, err
	}
	return value{kind: k, text: s}, nil
}
