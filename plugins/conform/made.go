package conform

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"thresher/core/routine"
	"thresher/core/schema"
	"thresher/core/table"
)

// prepare finds params and inputs that fit the declaration: those that are given, then
// those of the routine's first example that has a result, then made ones.
func (t *trial) prepare(ctx context.Context) {
	t.params = json.RawMessage(`{}`)
	t.inputs = map[string]*table.File{}
	s, err := schema.Compile(t.routine.Params)
	if err != nil {
		t.unprepared = err
		return
	}
	var example routine.Example
	for _, x := range t.routine.Examples {
		if x.Error == "" {
			example = x
			break
		}
	}
	given := t.options.Params[t.routine.Name]
	if given == nil {
		given = example.Params
	}
	if given == nil {
		given = madeParams(t.routine.Params)
	}
	filled, err := s.Fill(given)
	if err != nil {
		t.unprepared = fmt.Errorf("no params could be made for it: give them: %w", err)
		return
	}
	t.params = filled
	if t.file = t.options.File; t.file == nil {
		t.file = []byte(cmp.Or(example.File, "x\ty\n1\t2\n3\t4\n"))
	}
	for _, in := range t.routine.Inputs {
		if t.inputs[in.Name] = t.options.Inputs[in.Name]; t.inputs[in.Name] != nil {
			continue
		}
		text, ok := example.Inputs[in.Name]
		if !ok {
			text = madeTable(in)
		}
		f, err := t.tableOf(ctx, text)
		if err != nil {
			t.unprepared = fmt.Errorf("input %s: no table could be made for it: give one: %w", in.Name, err)
			return
		}
		t.inputs[in.Name] = f
		t.made = append(t.made, f)
	}
}

// madeParams has a value for each param that has no default: the least that is
// allowed, the first of a list, and for other text the name of a made column.
func madeParams(raw json.RawMessage) json.RawMessage {
	var decl struct {
		Required   []string `json:"required"`
		Properties map[string]struct {
			Type    string            `json:"type"`
			Enum    []json.RawMessage `json:"enum"`
			Minimum *float64          `json:"minimum"`
			Above   *float64          `json:"exclusiveMinimum"`
		} `json:"properties"`
	}
	params := map[string]any{}
	if json.Unmarshal(raw, &decl) != nil {
		return json.RawMessage(`{}`) // then its params are for the caller to give
	}
	for _, name := range decl.Required {
		p := decl.Properties[name]
		switch {
		case len(p.Enum) > 0:
			params[name] = p.Enum[0]
		case p.Type == "string":
			params[name] = "x"
		case p.Type == "boolean":
			params[name] = true
		case p.Type == "array":
			params[name] = []any{}
		case p.Minimum != nil && *p.Minimum > -1<<53: // else it is only what its type can hold
			params[name] = *p.Minimum
		case p.Above != nil:
			params[name] = *p.Above + 1
		default:
			params[name] = 1
		}
	}
	text, err := json.Marshal(params)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return text
}

// columns that every made table has, if the input does not name them itself.
var columns = []routine.Column{
	{Name: "x", Type: "float64"}, {Name: "n", Type: "int64"}, {Name: "s", Type: "string"}, {Name: "b", Type: "bool"},
	{Name: "d", Type: "date"}, {Name: "t", Type: "timestamp"},
}

// tableOf is a table of CSV.
func (t *trial) tableOf(ctx context.Context, text string) (*table.File, error) {
	sealed, err := table.Import(ctx, strings.NewReader(text), table.CSV, t.dir, nil)
	if err != nil {
		return nil, err
	}
	return table.Open(sealed.Path)
}

// madeTable is a table for an input, as CSV: the columns that it must have, and one of
// each type with a null.
func madeTable(in routine.Input) string {
	all := in.Columns
	for _, c := range columns {
		if !hasColumn(in.Columns, c.Name) {
			all = append(all[:len(all):len(all)], c)
		}
	}
	var text strings.Builder
	for i, c := range all {
		text.WriteString(comma(i) + strconv.Quote(c.Name))
	}
	for row := range max(in.MinRows, 40) {
		text.WriteByte('\n')
		for i, c := range all {
			text.WriteString(comma(i))
			if i >= len(in.Columns) && row == int64(i) {
				continue // null
			}
			text.WriteString(value(c.Type, row))
		}
	}
	return text.String() + "\n"
}

func hasColumn(list []routine.Column, name string) bool {
	for _, c := range list {
		if c.Name == name {
			return true
		}
	}
	return false
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// value is the value of a column in a row.
func value(kind string, row int64) string {
	switch kind {
	case "int64":
		return strconv.FormatInt(row, 10)
	case "string":
		return "word " + strconv.FormatInt(row%5, 10)
	case "bool":
		return strconv.FormatBool(row%3 == 0)
	case "date":
		return fmt.Sprintf("2020-01-%02d", 1+row%28)
	case "timestamp":
		return fmt.Sprintf("2020-01-%02dT10:20:30Z", 1+row%28)
	}
	return strconv.FormatFloat(float64(row*row%17)+0.25, 'f', -1, 64)
}
