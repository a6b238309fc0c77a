package rewrite_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/sandbox/binary"
)

// runtimeTests is the folder with the tests that the runtime ships with.
func runtimeTests(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	require.NoError(t, err)
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("THE OFFICIAL SUITE WAS NOT RUN: the runtime's module has come without its tests: ", err)
	}
	return dir
}

// tally counts what the suite did.
type tally map[string]int

func (n tally) add(other tally) {
	for k, v := range other {
		n[k] += v
	}
}

func (n tally) String() string {
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&out, "\n%7d %s", n[k], k)
	}
	return out.String()
}

// The official suite gives the same results, the same traps, the same memory and the
// same globals however modules are rewritten. What is no module stays none.
func TestTheOfficialSuiteDoesTheSameRewritten(t *testing.T) {
	t.Parallel()
	if testing.Short() || raced {
		t.Skip("long: make test-long runs it, without the race detector")
	}
	dir := runtimeTests(t)
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(dir, "spectest", version, "testdata", "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		total := tally{}
		for _, file := range files {
			t.Run(version+"/"+filepath.Base(file), func(t *testing.T) { total.add(runScript(t, dir, file)) })
		}
		t.Logf("%s, %d files:%s", version, len(files), total)
		assert.Greater(t, total["lifted: assert_return: as expected"], 10_000)
	}
}

// player plays a script in one world.
type player struct {
	*world
	dir    string
	script script
	named  map[string]api.Module // by their names in the script; nil: there is none
	shapes map[api.Module]shape
	last   api.Module
	count  tally
}

func runScript(t *testing.T, dir, file string) tally {
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var s script
	require.NoError(t, json.Unmarshal(raw, &s))
	forms := []form{untouched, metered, starved, lifted}
	if slices.ContainsFunc(s.Commands, func(c command) bool { return c.Type == "register" }) {
		forms = forms[:3] // what is lifted exports a memory with another limit: such are not for import
	}
	var outcomes [][]string
	total := tally{}
	for _, f := range forms {
		p := &player{world: newWorld(f), dir: filepath.Dir(file), script: s, named: map[string]api.Module{}, shapes: map[api.Module]shape{}, count: tally{}}
		outcomes = append(outcomes, p.play(t, dir))
		for k, n := range p.count {
			total[f.name+": "+k] += n
		}
		if f.name != untouched.name {
			total[f.name+": ticks"] += p.ticks
		}
		p.close()
	}
	compare(t, s, forms, outcomes)
	return total
}

func compare(t *testing.T, s script, forms []form, outcomes [][]string) {
	for n, f := range forms {
		for i, got := range outcomes[n] {
			want := outcomes[0][i]
			if n == 0 || got == want || strings.HasPrefix(got, "refused") {
				continue
			}
			where := "at the end"
			if i < len(s.Commands) {
				where = fmt.Sprintf("line %d, %s %s", s.Commands[i].Line, s.Commands[i].Type, s.Commands[i].Action.Field)
			}
			t.Errorf("%s: %s:\n  untouched %s\n  rewritten %s", f.name, where, want, got)
		}
	}
}

// play returns what came of each command, and at last the state of every module.
func (p *player) play(t *testing.T, dir string) (outcomes []string) {
	shared, err := os.ReadFile(filepath.Join(dir, "spectest", "testdata", "spectest.wasm"))
	require.NoError(t, err)
	_, err = p.instantiate(shared, "spectest")
	require.NoError(t, err)
	name := ""
	var made []api.Module
	for i, c := range p.script.Commands {
		if c.Type == "module" {
			name = ""
			if i+1 < len(p.script.Commands) && p.script.Commands[i+1].Type == "register" {
				name = p.script.Commands[i+1].As
			}
		}
		got := p.command(t, c, name)
		outcomes = append(outcomes, got)
		if c.Type == "module" && p.last != nil {
			made = append(made, p.last)
		}
		verdict := "as expected"
		if strings.HasPrefix(got, "refused") {
			verdict = got
		} else if !p.expected(c, got) {
			verdict = "NOT AS THE SUITE EXPECTS"
			if p.form.name == untouched.name {
				t.Logf("the runtime differs from the suite: line %d, %s %s: %s", c.Line, c.Type, c.Text, got)
			}
		}
		p.count[c.Type+": "+verdict]++
	}
	for _, m := range made {
		outcomes = append(outcomes, p.shapes[m].state(m))
	}
	return outcomes
}

// command says what came of a command.
func (p *player) command(t *testing.T, c command, name string) string {
	switch c.Type {
	case "module":
		return p.module(t, c, name)
	case "register":
		return "registered" // when it was made
	case "assert_return", "assert_trap", "assert_exhaustion", "action":
		return p.act(c.Action)
	}
	if c.Form == "text" {
		return "is text" // not for a runtime that reads binaries
	}
	_, err := p.instantiate(p.read(t, c.Filename), "")
	switch {
	case errors.As(err, &refused{}): // rewriting may refuse earlier than the runtime
		return "no module"
	case err == nil:
		return "accepted"
	case c.Type == "assert_uninstantiable":
		return trap(err)
	}
	return "no module"
}

func (p *player) read(t *testing.T, name string) []byte {
	wasm, err := os.ReadFile(filepath.Join(p.dir, name))
	require.NoError(t, err)
	return wasm
}

func (p *player) module(t *testing.T, c command, name string) string {
	wasm := p.read(t, c.Filename)
	guest, err := p.instantiate(wasm, name)
	p.last = guest
	if c.Name != "" {
		p.named[c.Name] = guest
	}
	if err != nil {
		p.last = nil
		if errors.As(err, &refused{}) {
			return "refused: " + err.Error()
		}
		return err.Error()
	}
	if m, err := binary.Parse(wasm); err == nil {
		p.shapes[guest] = shapeOf(m)
	}
	return "made"
}

func (p *player) act(a action) string {
	guest := p.last
	if a.Module != "" {
		guest = p.named[a.Module]
	}
	if guest == nil {
		return "refused: the module was"
	}
	if a.Type == "get" {
		return fmt.Sprintf("%#x", guest.ExportedGlobal(a.Field).Get())
	}
	return p.outcome(guest, a.Field, words(a.Args))
}

// expected reports whether an outcome is what the suite says.
func (p *player) expected(c command, got string) bool {
	switch c.Type {
	case "module":
		return got == "made"
	case "assert_return":
		return c.matches(got)
	case "assert_trap":
		return strings.HasPrefix(got, "wasm error: ") && got != "wasm error: stack overflow"
	case "assert_exhaustion":
		return strings.Contains(got, "stack overflow")
	case "assert_invalid", "assert_malformed", "assert_unlinkable":
		return got == "no module" || got == "is text"
	case "assert_uninstantiable":
		return got != "accepted"
	}
	return true
}
