package rewrite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"thresher/plugins/sandbox/binary"
)

// Every other binary that ships with the runtime, its fuzz cases among them, does the
// same rewritten: each export is called with arguments of each kind.
func TestTheRuntimesOtherBinariesDoTheSameRewritten(t *testing.T) {
	t.Parallel()
	if testing.Short() || raced {
		t.Skip("long: make test-long runs it, without the race detector")
	}
	dir := runtimeTests(t)
	count := tally{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" || strings.Contains(path, "spectest") {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		wasm, err := os.ReadFile(path)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			verdict := compareBinary(t, wasm)
			count[strings.SplitN(name, string(filepath.Separator), 2)[0]+": "+verdict]++
		})
		return nil
	})
	require.NoError(t, err)
	t.Logf("binaries:%s", count)
	assert.Greater(t, count["fuzzcases: the same"], 20)
}

// compareBinary runs the rewritten module first: what is endless must not be tried
// untouched.
func compareBinary(t *testing.T, wasm []byte) string {
	m, err := binary.Parse(wasm)
	if err != nil {
		untouchedIsRefused(t, wasm)
		return "refused: " + err.Error()
	}
	var outcomes [][]string
	for _, f := range []form{lifted, starved, metered, untouched} {
		w := newWorld(f)
		got, err := w.callAll(m, wasm, outcomes)
		w.close()
		if err != nil {
			assert.False(t, errors.As(err, &refused{}), "%s: %v", f.name, err)
			got = []string{"instantiate: " + trap(err)}
		}
		outcomes = append(outcomes, got)
	}
	for _, got := range outcomes {
		assert.Equal(t, outcomes[len(outcomes)-1], got)
	}
	if len(outcomes[0]) == 1 && strings.HasPrefix(outcomes[0][0], "instantiate") {
		return outcomes[0][0]
	}
	return "the same"
}

// untouchedIsRefused: what cannot be read is of a WebAssembly that the runtime is not
// told to know.
func untouchedIsRefused(t *testing.T, wasm []byte) {
	w := newWorld(untouched)
	defer w.close()
	_, err := w.runtime.CompileModule(w.ctx, wasm)
	assert.Error(t, err, "rewriting refuses a valid module")
}

// callAll calls each export, three times, and returns what came of it, and of the
// module's state. It stops before what was endless in an earlier world.
func (w *world) callAll(m *binary.Module, wasm []byte, earlier [][]string) (outcomes []string, err error) {
	guest, err := w.instantiateWithImports(m, wasm)
	if err != nil {
		return nil, err
	}
	for _, e := range m.Exports {
		if e.Kind != binary.KindFunction {
			continue
		}
		for _, arg := range []uint64{0, 1, 0xfffffff1} {
			n := len(outcomes)
			if len(earlier) > 0 && len(earlier[0]) > n && strings.Contains(earlier[0][n], errEndless.Error()) {
				return append(outcomes, earlier[0][n]), nil
			}
			var args []uint64
			for _, t := range guest.ExportedFunction(e.Name).Definition().ParamTypes() {
				args = append(args, arg)
				if byte(t) == binary.TypeV128 {
					args = append(args, arg)
				}
			}
			w.left = 1 << 24
			outcomes = append(outcomes, e.Name+": "+w.outcome(guest, e.Name, args))
			if strings.Contains(outcomes[n], errEndless.Error()) {
				return outcomes, nil
			}
		}
	}
	return append(outcomes, shapeOf(m).state(guest)), nil
}

// instantiateWithImports gives a module every function that it imports: one that
// returns zeros.
func (w *world) instantiateWithImports(m *binary.Module, wasm []byte) (api.Module, error) {
	builders := map[string]wazero.HostModuleBuilder{}
	for _, i := range m.Imports {
		if i.Kind != binary.KindFunction {
			continue
		}
		if builders[i.Module] == nil {
			builders[i.Module] = w.runtime.NewHostModuleBuilder(i.Module)
		}
		t := m.Types[i.Type]
		builders[i.Module].NewFunctionBuilder().
			WithGoFunction(zeros(len(t.Results)), valueTypes(t.Params), valueTypes(t.Results)).Export(i.Name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(w.ctx); err != nil {
			return nil, err
		}
	}
	return w.instantiate(wasm, "")
}

func zeros(results int) api.GoFunc {
	return func(_ context.Context, stack []uint64) { clear(stack[:results]) }
}

func valueTypes(types []byte) (out []api.ValueType) { return append(out, types...) }
