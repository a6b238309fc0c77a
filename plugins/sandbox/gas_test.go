package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// importOf declares a function that the host offers.
func importOf(t testing.TB, name string) hostile.Function {
	t.Helper()
	for module, functions := range imports {
		if f, ok := functions[name]; ok {
			return imported(module, name, f)
		}
	}
	require.Fail(t, "no such function", name)
	return hostile.Function{}
}

func TestEveryImportHasAPriceAndEveryPriceAnImport(t *testing.T) {
	t.Parallel()
	left := maps.Clone(prices)
	for _, functions := range imports {
		for name := range functions {
			assert.Positive(t, prices[name].call, name)
			delete(left, name)
		}
	}
	assert.Empty(t, left)
}

// callsOf are what is tried of every function that the host offers, for sizes n and
// count: a function that nothing is known of is called as it is, and has no other work.
func callsOf(t testing.TB, n, count int32, in *table.File) []hostile.HostCall {
	t.Helper()
	calls := hostile.HostCalls(n, count, in)
	known := map[string]bool{}
	for _, c := range calls {
		known[c.Name] = true
	}
	for _, functions := range imports {
		for name, f := range functions {
			if !known[name] {
				assert.Empty(t, prices[name].rates, "hostile.HostCalls has no call of %s", name)
				calls = append(calls, hostile.HostCall{Name: name, Args: argumentsFor(f, 65_536), Ends: name == "proc_exit"})
			}
		}
	}
	return calls
}

// dues is what a call should cost.
func dues(t *testing.T, c hostile.HostCall) uint64 {
	p, gas := prices[c.Name], prices[c.Name].call
	left := maps.Clone(c.Units)
	for _, r := range p.rates {
		gas += r.of(left[r.unit])
		delete(left, r.unit)
	}
	assert.Empty(t, left, "%s %s: work that its row does not have", c.Name, c.Case)
	return gas
}

// Gas is what the table says, for every function that the host offers: by length, by
// count, and call after call.
func TestEveryImportCostsWhatItsRowSays(t *testing.T) {
	t.Parallel()
	in, err := hostile.HostTable(t.TempDir(), 40_000)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, in.Close()) })
	for _, size := range [][2]int32{{800, 4}, {8000, 4}, {40_000, 4}, {8000, 200}} {
		for _, c := range callsOf(t, size[0], size[1], in) {
			t.Run(fmt.Sprintf("%s/%s/%d/%d", c.Name, c.Case, size[0], size[1]), func(t *testing.T) {
				t.Parallel()
				if c.Name == "input_map" && c.Case == "many" && !canMap {
					c.Units = map[string]int{"byte copied": 8 * int(size[0])}
				}
				due := dues(t, c)
				assert.Equal(t, due, gasOfCall(t, c, 1, in))
				if !c.Once && !c.Ends {
					assert.Equal(t, 3*due, gasOfCall(t, c, 3, in), "three calls")
				}
			})
		}
	}
}

// gasOfCall is what a number of calls costs, without what the guest pays for its own
// instructions.
func gasOfCall(t *testing.T, c hostile.HostCall, times int32, in *table.File) uint64 {
	t.Helper()
	f, yield := importOf(t, c.Name), importOf(t, "sched_yield")
	spent := gasOf(t, c.Module(f, times, nil), in, c.Ends)
	other := gasOf(t, c.Module(f, times, &yield), in, false)
	drops := len(f.Params) + 1 - len(f.Results)
	return spent - other + uint64(times)*(uint64(drops)+prices["sched_yield"].call)
}

func gasOf(t *testing.T, m hostile.Module, in *table.File, ends bool) uint64 {
	t.Helper()
	h, loaded := prepared(t, m)
	k := wideCall(t, in, &work.File{ReaderAt: strings.NewReader(""), Bytes: 0})
	err := h.attackBy(t.Context(), loaded, k)
	if !ends {
		require.NoError(t, err)
	}
	return k.meter.spent
}

// wideCall is a call whose limits are so wide that none of [hostile.HostCalls] meets them.
func wideCall(t *testing.T, in *table.File, file *work.File) *call {
	r := newRecorder(t)
	r.left = 1 << 40
	return newCall(work.Call{
		Host: r, Inputs: map[string]*table.File{"data": in}, Params: []byte(`{}`), File: file,
		Limits: job.Limits{MemoryBytes: 256 << 20, OutputBytes: 1 << 30, LogBytes: 1 << 20},
	})
}

// The info is what encoding/json makes of an abi.Call, though it is made part by part.
func TestCallInfoIsWhatTheLibraryMakesOfIt(t *testing.T) {
	t.Parallel()
	in, err := hostile.HostTable(t.TempDir(), 3)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, in.Close()) })
	quoted := sealed(t, "\"<a \"\"b\"\">\",\u2028\n1,2\n")
	for name, c := range map[string]work.Call{
		"empty":  {Params: []byte(`{}`)},
		"params": {Params: []byte(` { "a<" : [1, 2.50] } `), Seed: 1<<64 - 1},
		"file":   {Params: []byte(`{}`), File: &work.File{Bytes: 7}},
		"inputs": {Params: []byte(`{}`), Inputs: map[string]*table.File{"b": in, "a&": quoted}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCall(c)
			k.Host, k.turns = mute{}, newTurns(1)
			require.NoError(t, k.takeTurn(t.Context()))
			k.memory.limit = 1 << 20
			want := abi.Call{Params: c.Params, Seed: c.Seed}
			for i, name := range k.inputNames() {
				f := k.inputs[i]
				input := abi.Input{Name: name, Rows: f.Rows(), Bytes: f.Size(), Batches: f.NumBatches()}
				for _, col := range f.Info().Columns {
					input.Columns = append(input.Columns, abi.Column{Name: col.Name, Type: col.Type})
				}
				want.Inputs = append(want.Inputs, input)
			}
			if c.File != nil {
				want.File = &abi.File{Bytes: 7}
			}
			text, err := json.Marshal(want)
			require.NoError(t, err)
			k.meter.start()
			defer k.meter.stop()
			info := k.makeInfo(t.Context())
			assert.Equal(t, string(text), string(info))
			assert.LessOrEqual(t, len(info), k.infoSize(t.Context()))
		})
	}
}

// importsTable is the table of prices as docs/sandbox.md has it.
func importsTable() string {
	var out strings.Builder
	out.WriteString("| import | gas | bound |\n|---|---|---|\n")
	for _, module := range []string{abi.Module, wasiModule} {
		for _, name := range slices.Sorted(maps.Keys(imports[module])) {
			p := prices[name]
			fmt.Fprintf(&out, "| `%s` | %d", name, p.call)
			for _, r := range p.rates {
				fmt.Fprintf(&out, " + %s", said(r))
			}
			fmt.Fprintf(&out, " | %s |\n", p.bound)
		}
	}
	return out.String()
}

// said is a rate as people say it.
func said(r rate) string {
	if r.per == 1 {
		return fmt.Sprintf("%d for each %s", r.gas, r.unit)
	}
	return fmt.Sprintf("%d for every %d %s", r.gas, r.per, strings.Replace(r.unit, "byte", "bytes", 1))
}

// The documentation says what imports cost.
func TestTheTableOfImportsIsTrue(t *testing.T) {
	t.Parallel()
	const docs = "../../docs/sandbox.md"
	raw, err := os.ReadFile(docs)
	require.NoError(t, err)
	before, rest, begun := strings.Cut(string(raw), "<!-- imports -->\n")
	table, after, ended := strings.Cut(rest, "<!-- /imports -->")
	require.True(t, begun && ended, "docs/sandbox.md has its table of imports between two markers")
	want := importsTable()
	if os.Getenv("THRESHER_WRITE_DOCS") != "" {
		require.NoError(t, os.WriteFile(docs, []byte(before+"<!-- imports -->\n"+want+"<!-- /imports -->"+after), 0o644))
		return
	}
	assert.Equal(t, want, table, "run it with THRESHER_WRITE_DOCS=1 to write the table")
}
