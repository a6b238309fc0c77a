package table

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"thresher/core/table/cell"
)

// node is a column to be, or, if every value that it has is an object, the parent
// of the columns that its fields become. The first pass over the data grows the
// tree of nodes; the second fills the builders of its leaves.
type node struct {
	tree     *tree
	key      string
	name     string // keys on the way here, joined by dots
	cells    cell.Column
	objects  int64 // values that are objects
	children []*node
	byKey    map[string]*node

	leaf    bool // set by plan
	builder array.Builder
	rows    int64 // values appended, with nulls
}

// tree counts its nodes, so that the first pass is bounded.
type tree struct{ nodes int }

// value is one cell: null, scalar or object.
type value struct {
	kind   cell.Kind
	null   bool
	object bool
	text   string  // of a scalar; the JSON of an object, where it may be needed
	fields []field // of an object
}

type field struct {
	key   string
	value value
}

// maxDepth is how deep objects may nest.
const maxDepth = 32

func newRoot() *node { return &node{tree: &tree{}} }

// child returns the node for a key, making it if it is new. Most rows have the
// same keys in the same order, so i, the key's place, is tried first.
func (n *node) child(i int, key string) *node {
	if i < len(n.children) && n.children[i].key == key {
		return n.children[i]
	}
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
	c := &node{tree: n.tree, key: key, name: name}
	n.byKey[key] = c
	n.children = append(n.children, c)
	n.tree.nodes++
	return c
}

// observe takes in a value in the first pass.
func (n *node) observe(v value) {
	switch {
	case v.null:
	case v.object:
		n.objects++
		if !n.cells.Empty() {
			return // text, whatever its fields are
		}
		for i, f := range v.fields {
			n.child(i, f.key).observe(f.value)
		}
	default:
		n.cells.Observe(v.kind, v.text)
		if !n.cells.Empty() && len(n.children) > 0 {
			n.prune()
		}
	}
}

// prune forgets the fields of objects that are text after all.
func (n *node) prune() {
	for _, c := range n.children {
		c.prune()
	}
	n.tree.nodes -= len(n.children)
	n.children, n.byKey = nil, nil
}

// plan returns the leaves below n in the order they were first seen.
func (n *node) plan() (leaves []*node) {
	for _, c := range n.children {
		if len(c.children) > 0 { // all its values are objects: see observe
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
	return typeNamed(n.cells.Type())
}

// append takes in a value in the second pass, for the row with that index.
func (n *node) append(v value, row int64) error {
	if !n.leaf {
		for i, f := range v.fields {
			if err := n.child(i, f.key).append(f.value, row); err != nil {
				return err
			}
		}
		return nil
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
	if missing := row - n.rows; missing > 0 {
		n.builder.AppendNulls(int(missing))
		n.rows = row
	}
}

func (n *node) appendScalar(v value) error {
	if b, isText := n.builder.(*array.StringBuilder); isText {
		b.Append(v.text)
		return nil
	}
	if v.kind == cell.Untyped && cell.Null(v.text) {
		n.builder.AppendNull()
		return nil
	}
	ok := false
	switch b := n.builder.(type) {
	case *array.Int64Builder:
		var i int64
		i, ok = cell.Int(v.text)
		b.Append(i)
	case *array.Float64Builder:
		var f float64
		f, ok = cell.Float(v.text)
		b.Append(f)
	case *array.BooleanBuilder:
		var t bool
		t, ok = cell.Bool(v.text)
		b.Append(t)
	case *array.Date32Builder:
		var days int32
		days, ok = cell.Date(v.text)
		b.Append(arrow.Date32(days))
	case *array.TimestampBuilder:
		var micros int64
		micros, ok = cell.Time(v.text)
		b.Append(arrow.Timestamp(micros))
	}
	if !ok { // the first pass saw every value: this one has changed since
		return fmt.Errorf("import: column %s: %q is not %s", n.name, v.text, n.builder.Type())
	}
	return nil
}

// textCell is the value of a CSV cell, or of a JSON string. Text that is a JSON
// object counts as one; with a key twice, or nested too deep, it is text.
func textCell(k cell.Kind, s string) value {
	if trimmed := strings.TrimSpace(s); len(trimmed) > 1 && trimmed[0] == '{' && json.Valid([]byte(trimmed)) {
		if v, err := parseObject([]byte(trimmed), 1); err == nil {
			v.text = s
			return v
		}
	}
	return value{kind: k, text: s}
}
