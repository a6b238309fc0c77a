package compilers_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// residentFolder is a folder that compiles, and where its module goes.
func residentFolder(t *testing.T) (dir, out string) {
	t.Helper()
	chain, err := compilers.Of("as")
	require.NoError(t, err)
	guesttest.Needs(t, chain.Missing())
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "asconfig.json"), []byte(`{"entries": ["index.ts"]}`), 0o600))
	write(t, dir, "export function one(): i32 { return 1 }")
	return dir, filepath.Join(t.TempDir(), "out.wasm")
}

func write(t *testing.T, dir, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.ts"), []byte(text), 0o600))
}

func TestTheResidentCompilerBuildsWhatIsThereNow(t *testing.T) {
	t.Parallel()
	dir, out := residentFolder(t)
	var r compilers.Resident
	defer r.Close()
	require.NoError(t, r.Build(t.Context(), dir, out))
	first, err := os.ReadFile(out)
	require.NoError(t, err)

	write(t, dir, "export function one(): i32 { return x }")
	var failed *compilers.Failed
	require.ErrorAs(t, r.Build(t.Context(), dir, out), &failed)
	assert.Contains(t, failed.Said, "index.ts(1,37)")

	write(t, dir, "export function one(): i32 { return 2 }")
	require.NoError(t, r.Build(t.Context(), dir, out), "what did not compile is forgotten")
	second, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
}

func TestTheResidentCompilerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir, out := residentFolder(t)
	var r compilers.Resident
	defer r.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	require.NoError(t, r.Build(ctx, dir, out))
	why := errors.New("the author went home")
	cancel(why)
	require.ErrorIs(t, r.Build(ctx, dir, out), why)
	require.NoError(t, r.Build(t.Context(), dir, out), "another one is started")
}
