package sandbox

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
	"thresher/plugins/sandbox/vet"
)

// stepsOf checks a module with a host of its own and returns the steps it took.
func stepsOf(t *testing.T, dir string, limits vet.Limits, wasm []byte) (r Report, steps []string) {
	t.Helper()
	h, err := New(t.Context(), Config{CacheDir: dir, Vet: limits})
	require.NoError(t, err)
	r, err = h.Check(t.Context(), wasm, nil)
	require.NoError(t, err)
	require.NoError(t, h.Close(t.Context()))
	for i, s := range r.Steps {
		steps, r.Steps[i].Seconds = append(steps, s.Name), 0
	}
	return r, steps
}

// What was vetted and rewritten once need not be again, and nothing else differs. It
// is done anew where the limits are others, where another version did it, and where
// the file is damaged.
func TestAModuleIsVettedAndRewrittenOnce(t *testing.T) {
	t.Parallel()
	all, fewer := []string{"vet", "rewrite", "compile", "image", "describe", "examples"}, []string{"compile", "image", "describe", "examples"}
	dir := t.TempDir()
	wasm := hostile.Module{Run: hostile.LoopForever}.Encode()
	first, steps := stepsOf(t, dir, vet.Limits{}, wasm)
	require.Equal(t, all, steps)
	second, steps := stepsOf(t, dir, vet.Limits{}, wasm)
	assert.Equal(t, fewer, steps)
	first.Steps, second.Steps = nil, nil
	assert.Equal(t, first, second)

	_, steps = stepsOf(t, dir, vet.Limits{ModuleBytes: 1 << 16}, wasm)
	assert.Equal(t, all, steps, "other limits")
	refused, steps := stepsOf(t, dir, vet.Limits{ModuleBytes: 16}, wasm)
	assert.Equal(t, []string{"vet"}, steps)
	assert.False(t, refused.Accepted)

	files, err := filepath.Glob(filepath.Join(dir, "rewritten-*"))
	require.NoError(t, err)
	require.Len(t, files, 1, "one for each module")
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for _, damage := range [][]byte{nil, whole[:len(whole)/2], append([]byte("x"), whole[1:]...)} {
		require.NoError(t, os.WriteFile(files[0], damage, 0o600))
		_, steps = stepsOf(t, dir, vet.Limits{}, wasm)
		assert.Equal(t, all, steps, "%d bytes of the file", len(damage))
	}
	other := &Host{cacheDir: dir}
	other.policy.Limits = vet.Limits{Types: 3}
	_, found := other.recall(wasm, digestOf(wasm))
	assert.False(t, found)
}

// Programs that were built of the same sources use what the others kept.
func TestTheMakerOfAFormFollowsFromItsSources(t *testing.T) {
	t.Parallel()
	h := &Host{cacheDir: t.TempDir(), policy: policy(vet.Limits{})}
	assert.Equal(t, h.maker(), h.maker())
	assert.NotContains(t, h.maker(), program())
	assert.Contains(t, h.asker(), program())
	assert.NotContains(t, h.maker(), "0x", "an address differs from start to start")
	_, err := fs.Stat(sources, "keep.go") // another version of it may keep less, or read it in another way
	require.NoError(t, err)
	files, err := fs.Glob(sources, "*/*.go")
	require.NoError(t, err)
	for _, pkg := range []string{"./binary", "./rewrite", "./vet"} {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}", pkg).Output()
		require.NoError(t, err)
		for path := range strings.FieldsSeq(string(out)) {
			if rest, ours := strings.CutPrefix(path, "thresher/"); ours {
				at := strings.TrimPrefix(rest, "plugins/sandbox/")
				assert.True(t, slices.ContainsFunc(files, func(f string) bool { return filepath.Dir(f) == at }), "%s, which %s imports, should be among the sources", path, pkg)
			}
		}
	}
}

// The data of a module is not kept a second time, nor is it copied when what was kept is
// read: it is in the module.
func TestAKeptFormHasNoDataOfItsModule(t *testing.T) {
	t.Parallel()
	wasm := hostile.Module{Manifest: strings.Repeat("x", 1<<20), Pages: 18}.Encode()
	parsed, err := binary.Parse(wasm)
	require.NoError(t, err)
	form, err := rewrite.Rewrite(parsed)
	require.NoError(t, err)
	require.NotNil(t, form.Lifted, form.Plain)
	figures := []vet.Figure{{Name: "types", Found: 3, Limit: 4}}
	var file bytes.Buffer
	require.NoError(t, writeForm(&file, "maker", kept{form, figures}))
	assert.Less(t, file.Len(), 64<<10)

	got, err := readForm(bufio.NewReader(bytes.NewReader(file.Bytes())), "maker", wasm)
	require.NoError(t, err)
	assert.Equal(t, form.Wasm, got.Form.Wasm)
	assert.Equal(t, form.Lifted.Globals, got.Form.Lifted.Globals)
	assert.Equal(t, figures, got.Figures)
	require.Len(t, got.Form.Lifted.Data, len(form.Lifted.Data))
	for i, d := range got.Form.Lifted.Data {
		want := form.Lifted.Data[i]
		assert.Equal(t, want.Offset, d.Offset)
		assert.True(t, bytes.Equal(want.Bytes, d.Bytes))
		assert.Same(t, &wasm[d.Start], &d.Bytes[0])
	}
	_, err = readForm(bufio.NewReader(bytes.NewReader(file.Bytes())), "another", wasm)
	assert.ErrorIs(t, err, errOtherMaker)
	_, err = readForm(bufio.NewReader(bytes.NewReader(file.Bytes())), "maker", wasm[:len(wasm)/2])
	assert.ErrorContains(t, err, "data segment 0")
}
