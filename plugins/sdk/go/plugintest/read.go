package plugintest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"thresher/core/table/cell"
)

// Input is a table to read: see [CSV], [JSON] and [File].
type Input struct{ format, text, path string }

// CSV is a table of text with a header line.
func CSV(text string) Input { return Input{format: ".csv", text: text} }

// JSON is a table of an array of objects, or of objects, a line each. Values are not
// objects themselves.
func JSON(text string) Input { return Input{format: ".json", text: text} }

// File is a table of a file: .csv, .json or .ndjson.
func File(path string) Input { return Input{format: filepath.Ext(path), path: path} }

// read makes a table of it.
func (in Input) read() (*input, error) {
	if in.path != "" {
		text, err := os.ReadFile(in.path)
		if err != nil {
			return nil, err
		}
		in.text = string(text)
	}
	table := &input{}
	var err error
	switch in.format {
	case ".csv":
		err = table.readCSV(in.text)
	case ".json", ".ndjson":
		err = table.readJSON(in.text)
	default:
		err = fmt.Errorf("%s: want a file that ends in .csv, .json or .ndjson", in.path)
	}
	if err != nil {
		return nil, err
	}
	table.seal()
	return table, nil
}

func (in *input) readCSV(text string) error {
	rows := csv.NewReader(strings.NewReader(text))
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	for _, name := range header {
		if name == "" || in.find(name) != nil {
			return fmt.Errorf("header %q: want names, each once", header)
		}
		in.columns = append(in.columns, &column{name: name})
	}
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, text := range cells {
			if strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text)) {
				return fmt.Errorf("column %s: %s: a server makes columns of a cell that is a JSON object, but this package does not", in.columns[i].name, text)
			}
			in.columns[i].add(int(in.rows), value{text: text, null: text == ""})
		}
		in.rows++
	}
}

func (in *input) find(name string) *column {
	for _, c := range in.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// readJSON reads objects in an array, or a line each.
func (in *input) readJSON(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		_, _ = d.Token() // the bracket
	}
	for d.More() {
		if err := in.readObject(d); err != nil {
			return fmt.Errorf("row %d: %w", in.rows+1, err)
		}
		in.rows++
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// readObject reads a row.
func (in *input) readObject(d *json.Decoder) error {
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return errors.Join(err, fmt.Errorf("%v: want an object", start))
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		v, err := jsonValue(raw)
		if err != nil {
			return fmt.Errorf("%v: %w", key, err)
		}
		c := in.find(key.(string))
		if c == nil {
			c = &column{name: key.(string)}
			in.columns = append(in.columns, c)
		}
		c.add(int(in.rows), v)
	}
	_, err := d.Token() // the brace
	return err
}

// jsonValue is a JSON value as a cell. A list is its text.
func jsonValue(raw json.RawMessage) (value, error) {
	switch raw[0] {
	case 'n':
		return value{null: true}, nil
	case 't', 'f':
		return value{text: string(raw), kind: cell.Boolean}, nil
	case '"':
		v := value{kind: cell.Text}
		err := json.Unmarshal(raw, &v.text)
		return v, err
	case '{':
		return value{}, errors.New("a server makes columns of an object in an object, but this package does not")
	case '[':
		var compact bytes.Buffer
		err := json.Compact(&compact, raw)
		return value{text: compact.String(), kind: cell.Text}, err
	}
	return value{text: string(raw), kind: cell.Number}, nil
}
