// Command guest is a plugin that attacks its host: each routine in its own way.
// The sandbox's tests run them all.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	sdk "thresher/plugins/sdk/go"
)

func main() {}

type none struct{}

// attack declares an analysis that takes no params.
func attack(name string, f func(c *sdk.Call) (any, error), opts ...sdk.Option) sdk.Routine {
	return sdk.Analysis(name, sdk.Doc{Title: name}, func(c *sdk.Call, _ none) (any, error) { return f(c) }, opts...)
}

func init() {
	sdk.Register(sdk.Plugin{
		Name:    "hostile",
		Version: "1.0.0",
		Summary: "Attacks on the host",
		Routines: []sdk.Routine{
			attack("nothing", func(*sdk.Call) (any, error) { return map[string]any{}, nil }),
			attack("loop", loop),
			sdk.Analysis("work", sdk.Doc{Title: "honest work"}, work),
			attack("allocate", allocate),
			attack("print", print),
			attack("recurse", func(*sdk.Call) (any, error) { return recurse(1), nil }),
			attack("panic", func(*sdk.Call) (any, error) { panic("I panic") }),
			attack("exit", func(*sdk.Call) (any, error) { os.Exit(0); return nil, nil }),
			attack("error", func(*sdk.Call) (any, error) { return nil, errors.New("I am an error") }),
			attack("sleep", sleep),
			attack("artifacts", artifacts),
			attack("artifact_name", artifactName),
			attack("rows", rows),
			attack("look_around", lookAround),
			attack("whoami", whoami),
			attack("poke", poke),
			attack("peek", func(*sdk.Call) (any, error) { return memory, nil }),
			attack("echo", echo, sdk.In("data"), sdk.Out("copy", "the input")),
			attack("echo_mapped", echoMapped, sdk.In("data"), sdk.Out("copy", "the input")),
			attack("scribble", scribble, sdk.In("data")),
			sdk.Simulation("endless", sdk.Doc{Title: "never done"}, func(c *sdk.Call, _ none) (sdk.Stepper, error) {
				return &endless{c, c.Output("steps", sdk.Int64Col("step")), 0, 0}, nil
			}),
			sdk.Simulation("murmur", sdk.Doc{Title: "never done, and says so"}, func(c *sdk.Call, _ none) (sdk.Stepper, error) {
				return &murmur{call: c}, nil
			}),
		},
	})
}

type task struct {
	N int `json:"n" minimum:"0"`
}

// work sums the numbers below n, and does so only if nothing is left of a job before.
func work(c *sdk.Call, p task) (any, error) {
	if memory++; memory != 1 {
		return nil, errors.New("somebody was here")
	}
	sum := 0
	for i := range p.N {
		sum += i
	}
	return map[string]uint64{"seed": c.Seed(), "sum": uint64(sum)}, nil
}

func loop(*sdk.Call) (any, error) {
	for i := uint64(1); ; i++ {
		if i == 0 {
			return i, nil
		}
	}
}

func allocate(*sdk.Call) (any, error) {
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
	}
}

func print(*sdk.Call) (any, error) {
	line := strings.Repeat("spam ", 2000)
	for {
		fmt.Println(line)
	}
}

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	return recurse(n+1) + 1
}

func sleep(*sdk.Call) (any, error) {
	before := time.Now()
	time.Sleep(time.Hour)
	return time.Since(before).Hours() >= 1, nil
}

func artifacts(c *sdk.Call) (any, error) {
	content := make([]byte, 1<<20)
	for i := 0; ; i++ {
		c.Artifact(fmt.Sprint("a", i), "application/octet-stream", content)
	}
}

func artifactName(c *sdk.Call) (any, error) {
	c.Artifact("../../etc/passwd", "text/plain", nil)
	return nil, nil
}

func rows(c *sdk.Call) (any, error) {
	w := c.Output("flood", sdk.StringCol("text"))
	for {
		if err := w.Append(strings.Repeat("x", 1000)); err != nil {
			return nil, err
		}
	}
}

// lookAround reports everything of the world outside that it can find.
func lookAround(*sdk.Call) (any, error) {
	found := []string{}
	found = append(found, os.Args...)
	found = append(found, os.Environ()...)
	for _, path := range []string{"/", "/etc/passwd", ".", "../..", "/dev/stdin"} {
		if content, err := os.ReadFile(path); err == nil {
			found = append(found, path+": "+string(content))
		}
		if entries, err := os.ReadDir(path); err == nil {
			found = append(found, fmt.Sprint(path, ": ", entries))
		}
	}
	if err := os.WriteFile("/tmp/x", nil, 0o600); err == nil {
		found = append(found, "wrote a file")
	}
	return found, nil
}

// whoami returns what should follow from the seed alone.
func whoami(c *sdk.Call) (any, error) {
	return []any{time.Now().UnixNano(), c.Rand().Uint64(), c.Seed(), fmt.Sprint(map[int]int{1: 1, 2: 2, 3: 3})}, nil
}

var memory = 0

func poke(*sdk.Call) (any, error) {
	memory++
	return memory, nil
}

// echo copies its input to an output, column by column.
func echo(c *sdk.Call) (any, error) {
	t, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	read := make([]func(row int) any, len(t.Columns()))
	columns := make([]sdk.Col, len(t.Columns()))
	for i, col := range t.Columns() {
		if read[i], err = reader(t, col); err != nil {
			return nil, err
		}
		columns[i] = sdk.Col(col)
	}
	w := c.Output("copy", columns...)
	values := make([]any, len(read))
	for row := range t.Rows() {
		for i := range read {
			values[i] = read[i](row)
		}
		if err := w.Append(values...); err != nil {
			return nil, err
		}
	}
	return map[string]int{"rows": t.Rows()}, nil
}

func reader(t *sdk.Table, col sdk.Column) (func(row int) any, error) {
	switch col.Type {
	case "int64":
		return nullable(t.Int64(col.Name))
	case "float64":
		return nullable(t.Float64(col.Name))
	case "bool":
		return nullable(t.Bools(col.Name))
	}
	return nullable(t.Strings(col.Name))
}

func nullable[T any](values []T, valid []bool, err error) (func(row int) any, error) {
	return func(row int) any {
		if !valid[row] {
			return nil
		}
		return values[row]
	}, err
}

// echoMapped is echo without copying what it reads.
func echoMapped(c *sdk.Call) (any, error) {
	t, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	columns := make([]sdk.Col, len(t.Columns()))
	for i, col := range t.Columns() {
		columns[i] = sdk.Col(col)
	}
	w := c.Output("copy", columns...)
	values := make([]any, len(columns))
	rows := 0
	for b := range t.Batches() {
		if b.First() != int64(rows) {
			return nil, fmt.Errorf("a batch starts at %d, after %d rows", b.First(), rows)
		}
		rows += b.Rows()
		read := make([]func(row int) any, len(columns))
		for i, col := range t.Columns() {
			if read[i], err = mappedReader(b, col); err != nil {
				return nil, err
			}
		}
		for row := range b.Rows() {
			for i := range read {
				values[i] = read[i](row)
			}
			if err := w.Append(values...); err != nil {
				return nil, err
			}
		}
	}
	return map[string]int{"rows": rows}, nil
}

func mappedReader(b *sdk.Batch, col sdk.Column) (func(row int) any, error) {
	switch col.Type {
	case "int64":
		values, valid, err := b.Int64(col.Name)
		return unlessNull(valid, func(row int) any { return values[row] }), err
	case "float64":
		values, valid, err := b.Float64(col.Name)
		return unlessNull(valid, func(row int) any { return values[row] }), err
	case "bool":
		values, valid, err := b.Bools(col.Name)
		return unlessNull(valid, func(row int) any { return values.At(row) }), err
	}
	values, valid, err := b.Text(col.Name)
	return unlessNull(valid, func(row int) any { return string(values.At(row)) }), err
}

func unlessNull(valid sdk.Bits, value func(row int) any) func(row int) any {
	return func(row int) any {
		if !valid.At(row) {
			return nil
		}
		return value(row)
	}
}

// scribble sums the column x, and writes over it what it summed.
func scribble(c *sdk.Call) (any, error) {
	t, err := c.Input("data")
	if err != nil {
		return nil, err
	}
	sum := int64(0)
	for b := range t.Batches() {
		values, _, err := b.Int64("x")
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			sum += v
			values[i] = -1
		}
	}
	return sum, nil
}

// endless appends a row about every tenth of a millisecond, so that it takes hours to
// reach the limit of its output.
type endless struct {
	call *sdk.Call
	out  *sdk.Writer
	n    int
	busy uint64
}

func (e *endless) Step() (bool, error) {
	e.n++
	e.busy = spin(e.busy, 100_000)
	return false, e.out.Append(e.n)
}

func (e *endless) Result() (any, error) { return e.n, nil }

// spin takes about a nanosecond for each of n.
func spin(sum, n uint64) uint64 {
	for i := range n {
		sum += i ^ sum
	}
	return sum
}

// murmur logs a line and reports progress about every millisecond, and does no harm.
type murmur struct {
	call *sdk.Call
	n    int
	sum  uint64
}

func (m *murmur) Step() (bool, error) {
	m.sum = spin(m.sum, 1_000_000)
	m.n++
	m.call.Logf("step %d", m.n)
	m.call.Progress(float64(m.n%1000)/1000, "murmuring")
	return false, nil
}

func (m *murmur) Result() (any, error) { return m.sum, nil }
