package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/work"
)

// moduled is a Runner of a plugin whose module is a blob. Its guests run until they may
// end.
type moduled struct {
	digest string
	end    chan struct{}
}

func (m moduled) List() []Plugin {
	return []Plugin{{Digest: m.digest, Manifest: routine.Manifest{Name: "p", Version: "1.0.0", Routines: []routine.Routine{
		{Name: "wait", Kind: routine.Analysis, Params: json.RawMessage(`{"type":"object"}`)},
	}}}}
}

func (m moduled) Run(ctx context.Context, _ work.Call) (work.Report, error) {
	select {
	case <-m.end:
		return work.Report{Result: json.RawMessage(`{}`)}, nil
	case <-ctx.Done():
		return work.Report{}, context.Cause(ctx)
	}
}

// A module is kept for as long as a job is that ran on it, for its retry. Where its bytes
// are gone a job that may still run lacks them, and the audit says so. One that has
// ended does not, and the audit is at rest again.
func TestAJobThatHasEndedRetainsItsModuleAndDoesNotNeedIt(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	wasm := "the bytes of a module"
	sum := sha256.Sum256([]byte(wasm))
	blob := ledger.Blob{Digest: hex.EncodeToString(sum[:]), Bytes: int64(len(wasm))}
	m := moduled{blob.Digest, make(chan struct{})}
	e, err := Open(ctx, Config{Dir: dir}, m)
	require.NoError(t, err)
	t.Cleanup(e.Crash)
	j, err := e.Submit(ctx, Request{Routine: "p/wait", Cache: "off"})
	require.NoError(t, err)
	path := filepath.Join(dir, "blobs", blob.Digest[:2], blob.Digest)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.Error(t, e.ledger.Blobs().Look(blob), "somebody looks for it")
	audit := func() []Breach {
		a, err := e.Audit(ctx)
		require.NoError(t, err)
		return a.Breaches
	}
	breaches := audit()
	require.Len(t, breaches, 1)
	assert.Equal(t, damagedBlobs, breaches[0].Invariant)
	assert.Contains(t, breaches[0].Detail, "module of p@1.0.0: blob "+blob.Digest+" is damaged: its file is missing")

	close(m.end)
	j, err = e.Wait(ctx, j.ID)
	require.NoError(t, err)
	require.Equal(t, job.Completed, j.Phase)
	assert.ErrorIs(t, e.ledger.Blobs().Look(blob), ledger.ErrNotFound)
	assert.Empty(t, audit())

	put := func(content string) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	put(wasm)
	require.NoError(t, e.ledger.Blobs().Sweep(ctx))
	require.FileExists(t, path, "it is kept for a retry")
	put("the bytes 0f a module")
	require.ErrorIs(t, e.ledger.Blobs().Check(ctx, blob), ledger.ErrDamaged)
	breaches = audit()
	require.Len(t, breaches, 1)
	assert.Contains(t, breaches[0].Detail, "module of p@1.0.0: blob ", "what is there and is not whole is damaged, and has an owner")
	require.NoError(t, os.Remove(path))
	assert.Empty(t, audit())

	put(wasm)
	require.NoError(t, e.Delete(ctx, j.ID))
	require.Eventually(t, func() bool {
		_, err := os.Stat(path)
		return os.IsNotExist(err)
	}, time.Minute, 10*time.Millisecond, "it goes with the last job that ran on it")
	assert.Empty(t, audit())
}
