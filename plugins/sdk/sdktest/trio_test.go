// Package sdktest holds the SDKs of all languages against each other: the three routines
// that each has as its example are built with their own compilers and run in the
// sandbox on the same inputs, and must leave the same behind, byte for byte.
package sdktest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/table"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
	"thresher/plugins/conform"
	"thresher/plugins/sandbox"
	"thresher/samples"
)

// languages are those that have an SDK, and their folders.
var languages = map[string]string{"go": "go", "c": "c", "rust": "rust", "as": "assemblyscript"}

// source is the folder of an example: the three routines, or one that uses the rest.
func source(language, example string) string { return languages[language] + "/" + example }

// build makes an example of a language, or skips the test where its compiler is not
// there. What was built once is used again.
func build(t *testing.T, language, example string) []byte {
	t.Helper()
	chain, err := compilers.Of(language)
	require.NoError(t, err)
	guesttest.Needs(t, chain.Missing())
	if language == "go" {
		return guesttest.Build(t, "thresher/plugins/sdk/"+source(language, example))
	}
	once, _ := built.LoadOrStore(source(language, example), sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "sdktest-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		out := filepath.Join(dir, "plugin.wasm")
		if err := chain.Build(t.Context(), filepath.Join("..", source(language, example)), "..", out); err != nil {
			return nil, err
		}
		if err := guesttest.Warm(out); err != nil {
			return nil, fmt.Errorf("compile %s: %w", source(language, example), err)
		}
		return os.ReadFile(out)
	}))
	wasm, err := once.(func() ([]byte, error))()
	require.NoError(t, err)
	return wasm
}

var built sync.Map // source → func() ([]byte, error)

func newHost(t *testing.T) *sandbox.Host {
	t.Helper()
	host, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, host.Close(t.Context())) })
	return host
}

func load(t *testing.T, host *sandbox.Host, language, example string) core.Plugin {
	t.Helper()
	p, err := host.Load(t.Context(), build(t, language, example), false)
	require.NoError(t, err)
	return p
}

// others are the languages that are held against Go.
func others() (list []string) {
	for language := range languages {
		if language != "go" {
			list = append(list, language)
		}
	}
	return list
}

// Declared the same, routines have the same manifest: titles, schemas, inputs, outputs.
func TestTheSameDeclarationIsTheSameManifest(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	for _, language := range others() {
		for _, example := range []string{"example", "exercise"} {
			t.Run(language+"_"+example, func(t *testing.T) {
				if testing.Short() && language != "c" {
					t.Skip("long: make test-long runs it")
				}
				want, err := json.MarshalIndent(load(t, host, "go", example).Routines, "", " ")
				require.NoError(t, err)
				got, err := json.MarshalIndent(load(t, host, language, example).Routines, "", " ")
				require.NoError(t, err)
				if language == "c" {
					got = noNUL.ReplaceAll(got, nil)
				}
				assert.JSONEq(t, string(want), string(got))
			})
		}
	}
}

// noNUL is what C says of text beside what the others say: it ends at a NUL.
var noNUL = regexp.MustCompile(`,\s*"pattern": "\^\[\^\\u0000\]\*\$"`)

// attempt is a job for each language.
type attempt struct {
	routine string
	params  string
	input   *table.File
	seed    uint64
	fails   string // with what; empty: it does not
}

func (a attempt) run(t *testing.T, host *sandbox.Host, p core.Plugin) (conform.Outcome, string) {
	t.Helper()
	r, ok := p.Find(a.routine)
	require.True(t, ok)
	inputs := map[string]*table.File{}
	if a.input != nil {
		inputs["data"] = a.input
	}
	return conform.Run(t.Context(), host, p, r, json.RawMessage(a.params), a.seed, inputs, t.TempDir())
}

func TestTheSameRoutinesGiveTheSameResults(t *testing.T) {
	t.Parallel()
	few := others()
	if testing.Short() {
		few = []string{"c"}
	}
	compare(t, "example", few, attempts(t))
}

// The rest of the SDKs gives the same too: params of every kind, columns read whole and
// by batches, kernels, artifacts, random numbers.
func TestTheRestOfTheSDKsIsTheSame(t *testing.T) {
	t.Parallel()
	few := others()
	if testing.Short() {
		few = []string{"c"}
	}
	compare(t, "exercise", few, map[string]attempt{
		"standard": {routine: "all", params: `{}`, input: mixed(t, 5), seed: 9},
		"params": {routine: "all", params: `{"whole": [1, -9007199254740993, 0], "numbers": [0.1, -1e-9, 3], "flags": [true, false], ` +
			`"words": ["", "a\"b", "\u00e9\ud83d\ude00\n"], "mode": "slow", "ratio": 1.5, "loud": false}`, input: mixed(t, 3)},
		"batches": {routine: "all", params: `{}`, input: mixed(t, 70_001), seed: math.MaxUint64},
	})
}

// A param is exact in every language, or refused before the routine is called.
func TestParamsAreExactOrRefused(t *testing.T) {
	t.Parallel()
	few := append(others(), "go")
	if testing.Short() {
		few = []string{"go", "c"}
	}
	host := newHost(t)
	input := mixed(t, 3)
	for _, language := range few {
		t.Run(language, func(t *testing.T) {
			p := load(t, host, language, "exercise")
			for params, want := range map[string]string{ // a part of the result, or of why it failed
				`{"whole": [9223372036854775807, -9223372036854775808]}`:  `"whole":[9223372036854775807,-9223372036854775808]`,
				`{"whole": [9007199254740993, 9007199254740993.0, 1e18]}`: `"whole":[9007199254740993,9007199254740993,1000000000000000000]`,
				`{"whole": [9223372036854775808]}`:                        "whole/0: maximum: got",
				`{"whole": [-9223372036854775809]}`:                       "whole/0: minimum: got",
				`{"whole": [1e19]}`:                                       "whole/0: maximum: got",
				`{"whole": [1.5]}`:                                        "whole/0: got number, want integer",
				`{"numbers": [1e308, 5e-324]}`:                            `"numbers":[1e+308,5e-324]`,
				`{"numbers": [1e309]}`:                                    "numbers: 1e309 is beyond the range of numbers",
				`{"words": ["\ud83d\ude00", "\u0001"]}`:                   "\"words\":[\"\U0001F600\",\"\\u0001\"]",
				`{"words": ["\ud83d"]}`:                                   `words: \ud83d is half of a surrogate pair`,
				`{"words": ["a\u0000b"]}`:                                 map[bool]string{false: `"words":["a\u0000b"]`, true: `words/0: "a\x00b" has the character U+0000`}[language == "c"],
			} {
				a := attempt{routine: "all", params: params, input: input}
				got, failed := a.run(t, host, p)
				assert.Contains(t, string(got.Result)+failed, want, params)
			}
		})
	}
}

// mixed is a table with a column of each type, and nulls.
func mixed(t *testing.T, rows int) *table.File {
	var text strings.Builder
	text.WriteString("i,f,b,s\n0,1.5,true,a\n")
	for row := 1; row < rows; row++ {
		switch row % 4 {
		case 0:
			fmt.Fprintf(&text, "%d,%g,true,é%d\n", row%10, math.Sin(float64(row))*12, row%7)
		case 1:
			text.WriteString(",,,\n")
		case 2:
			fmt.Fprintf(&text, "%d,%g,false,\"a,b\"\n", row*7%10, float64(row%13)/3)
		case 3:
			text.WriteString("3,,true,x\n")
		}
	}
	return imported(t, table.CSV, text.String())
}

// compare runs attempts in each of some languages and in Go.
func compare(t *testing.T, example string, languages []string, attempts map[string]attempt) {
	host := newHost(t)
	reference := load(t, host, "go", example)
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			p := load(t, host, language, example)
			for name, a := range attempts {
				want, failed := a.run(t, host, reference)
				if a.fails == "" {
					require.Empty(t, failed, name)
				} else {
					require.Contains(t, failed, a.fails, name)
				}
				got, failure := a.run(t, host, p)
				assert.Equal(t, failed, failure, name)
				if assert.Equal(t, string(want.Result), string(got.Result), name) {
					assert.Equal(t, want, got, name)
				}
			}
		})
	}
}

// attempts are jobs on real tables, and on what is hard to read and to write.
func attempts(t *testing.T) map[string]attempt {
	all := map[string]attempt{
		"sir":               {routine: "sir", params: `{}`, seed: 5},
		"sir_other_seed":    {routine: "sir", params: `{}`, seed: math.MaxUint64},
		"sir_powers_of_two": {routine: "sir", params: `{"population": 4096, "contacts": 3, "steps": 50}`, seed: 1},
		"sir_rates":         {routine: "sir", params: `{"infection_rate": 0.123456789012345678, "recovery_rate": 3e-2, "steps": 60}`, seed: 2},
		"sir_no_recovery":   {routine: "sir", params: `{"recovery_rate": 0, "steps": 20}`, seed: 3},
		"sir_long":          {routine: "sir", params: `{"steps": 1500}`, seed: 4},
		"sir_impossible":    {routine: "sir", params: `{"population": 5}`, fails: "initial_infected: 10 agents cannot be infected in a population of 5"},
		"no_input":          {routine: "describe", params: `{}`, fails: `there is no input "data"`},
	}
	for name, file := range inputs(t) {
		all["describe_"+name] = attempt{routine: "describe", params: `{}`, input: file}
		for _, c := range file.Info().Columns[:min(len(file.Info().Columns), 8)] {
			params, err := json.Marshal(map[string]any{"column": c.Name, "bins": 7})
			require.NoError(t, err)
			a := attempt{routine: "histogram", params: string(params), input: file}
			switch {
			case c.Type != "int64" && c.Type != "float64" && c.Type != "timestamp":
				a.fails = "is " + c.Type + ", want a number"
			case strings.HasPrefix(c.Name, "unbounded"):
				a.fails = "has values that are not finite"
			}
			all["histogram_"+name+"_"+c.Name] = a
		}
	}
	penguins := all["describe_penguins"].input
	all["default_bins"] = attempt{routine: "histogram", params: `{"column": "Body Mass (g)"}`, input: penguins}
	all["many_bins"] = attempt{routine: "histogram", params: `{"column": "Body Mass (g)", "bins": 1000}`, input: penguins}
	all["no_such_column"] = attempt{routine: "histogram", params: `{"column": "nö one"}`, input: penguins, fails: "has no column"}
	all["too_few_bins"] = attempt{routine: "histogram", params: `{"column": "Body Mass (g)", "bins": 0}`, input: penguins, fails: "bins"}
	all["wrong_type"] = attempt{routine: "histogram", params: `{"column": 1}`, input: penguins, fails: "column"}
	all["unknown_param"] = attempt{routine: "histogram", params: `{"column": "x", "more": 1}`, input: penguins, fails: "more"}
	all["missing_param"] = attempt{routine: "histogram", params: `{}`, input: penguins, fails: "column"}
	return all
}

func inputs(t *testing.T) map[string]*table.File {
	penguins, err := samples.Files.ReadFile("penguins.json")
	require.NoError(t, err)
	weather, err := samples.Files.ReadFile("seattle-weather.csv")
	require.NoError(t, err)
	return map[string]*table.File{
		"penguins": imported(t, table.JSON, string(penguins)),
		"weather":  imported(t, table.CSV, string(weather)),
		"empty":    imported(t, table.CSV, "a,b\n"),
		"one":      imported(t, table.CSV, "a,s,b\n5,x,true\n"),
		"nulls":    imported(t, table.CSV, "i,f,s,t,d,b\n,,,,,\n3,,x,2020-01-02T03:04:05Z,2020-01-02,true\n,2.5,,,,\n,,,,,\n"),
		"names":    imported(t, table.CSV, "\"a \"\"b\"\" <c> & \\d\u2028é\U0001F600\",x\n1,2\n3,4\n"),
		"floats":   floats(t),
		"random":   random(t),
	}
}

func imported(t *testing.T, f table.Format, text string) *table.File {
	t.Helper()
	sealed, err := table.Import(t.Context(), strings.NewReader(text), f, t.TempDir(), nil)
	require.NoError(t, err)
	return opened(t, sealed)
}

func opened(t *testing.T, sealed table.Sealed) *table.File {
	t.Helper()
	f, err := table.Open(sealed.Path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

// columnsOf makes a table of columns of one type, all of one length.
func columnsOf(t *testing.T, names []string, values [][]float64) *table.File {
	t.Helper()
	var fields []arrow.Field
	var columns []arrow.Array
	for i, name := range names {
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		b.AppendValues(values[i], nil)
		fields = append(fields, arrow.Field{Name: name, Type: table.Float64, Nullable: true})
		columns = append(columns, b.NewArray())
	}
	schema := arrow.NewSchema(fields, nil)
	w, err := table.Create(t.TempDir(), schema)
	require.NoError(t, err)
	require.NoError(t, w.Append(array.NewRecordBatch(schema, columns, int64(len(values[0])))))
	sealed, err := w.Seal()
	require.NoError(t, err)
	return opened(t, sealed)
}

// floats are columns that arithmetic stumbles over.
func floats(t *testing.T) *table.File {
	inf, nan := math.Inf(1), math.NaN()
	return columnsOf(t, []string{"huge", "tiny", "zeros", "near", "unbounded", "unbounded_nan", "whole"}, [][]float64{
		{math.MaxFloat64 / 4, -math.MaxFloat64 / 4, 1e300, 1e21},
		{5e-324, -5e-324, 2.2250738585072014e-308, 1e-7},
		{0, math.Copysign(0, -1), 0, 0},
		{1, math.Nextafter(1, 2), 1, 1},
		{inf, -inf, 1, 2},
		{nan, 1, 2, 3},
		{1 << 53, -(1 << 53), 1 << 60, 123456789012345680000},
	})
}

// random is a table of any floats whatever, so that what is written of them is held
// against each other by the thousand.
func random(t *testing.T) *table.File {
	dice := rand.New(rand.NewPCG(1, 2))
	var names []string
	var values [][]float64
	for i := range 300 {
		var column []float64
		for range 3 {
			bits := dice.Uint64()
			if i%10 == 0 {
				bits &^= 1<<52 - 1 // a power of two
			}
			v := math.Float64frombits(bits)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				v = 0.1
			}
			column = append(column, v)
		}
		names, values = append(names, fmt.Sprintf("c%d", i)), append(values, column)
	}
	return columnsOf(t, names, values)
}

// The simulation is the one that ships.
func TestTheSimulationIsTheOneThatShips(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	shipped, err := host.Load(t.Context(), guesttest.Build(t, "thresher/plugins/builtin/models"), true)
	require.NoError(t, err)
	trio := load(t, host, "go", "example")
	a := attempt{routine: "sir", params: `{"population": 3000}`, seed: 7}
	want, failed := a.run(t, host, shipped)
	require.Empty(t, failed)
	got, failed := a.run(t, host, trio)
	require.Empty(t, failed)
	assert.Equal(t, string(want.Result), string(got.Result))
	assert.Equal(t, want.Tables, got.Tables)
	ours, _ := trio.Find("sir")
	theirs, _ := shipped.Find("sir")
	assert.JSONEq(t, string(theirs.Params), string(ours.Params))
}

// Every example keeps the contract.
func TestTheExamplesKeepTheContract(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	for language := range languages {
		t.Run(language, func(t *testing.T) {
			if testing.Short() && language != "go" {
				t.Skip("long: make test-long runs it")
			}
			r, err := conform.Check(t.Context(), host, build(t, language, "example"), conform.Options{Time: time.Minute})
			require.NoError(t, err)
			assert.Zero(t, r.Failures(), "%+v", r.Rows)
			ran := 0
			for _, row := range r.Rows {
				if row.Check == "runs" && row.State == conform.Passed {
					ran++
				}
			}
			assert.Equal(t, 3, ran, "%+v", r.Rows)
		})
	}
}

// Every example's own tests pass, as its author runs them: natively.
func TestTheExamplesTestsPass(t *testing.T) {
	t.Parallel()
	for language := range languages {
		t.Run(language, func(t *testing.T) {
			if testing.Short() && language != "go" {
				t.Skip("long: make test-long runs it")
			}
			chain, err := compilers.Of(language)
			require.NoError(t, err)
			guesttest.Needs(t, chain.Missing())
			require.NoError(t, chain.Test(t.Context(), filepath.Join("..", source(language, "example")), "..", t.TempDir()))
		})
	}
}
