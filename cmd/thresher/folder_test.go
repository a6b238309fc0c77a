package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/hostile"
	"thresher/plugins/registry/registrytest"
)

// A folder of plugins with files that cannot be served serves the others: `plugins ls`
// says what is left out, and a run without a server goes on.
func TestAFolderWithBadFilesServesTheOthers(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	good := registrytest.Plugin{Name: "good"}
	for name, content := range map[string][]byte{
		"good.wasm":    good.Wasm(),
		"strange.wasm": hostile.Module{Imports: []hostile.Function{{Module: "env", Name: "emit"}}}.Encode(),
		"text.wasm":    []byte("no module"),
		"large.wasm":   make([]byte, 40<<20),
		"notes.txt":    []byte("no module either"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(folder, "folder.wasm"), 0o700))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(folder, "link.wasm")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(folder, "pipe.wasm"), 0o600))

	p := startProgram(t, t.TempDir(), folder)
	out, exit := commandLine(t, p, "run", "good/run", "--remote")
	assert.Zero(t, exit)
	assert.JSONEq(t, good.Result(), out)
	var found struct {
		Plugins []struct{ Name, Source string }
		LeftOut []struct{ Place, Code string } `json:"left_out"`
	}
	require.Eventually(t, func() bool { // they are verified one by one
		err := p.client.Get(t.Context(), "/api/v1/plugins", &found)
		return err == nil && len(found.LeftOut) == 6
	}, time.Minute, 10*time.Millisecond)
	left := map[string]string{}
	for _, l := range found.LeftOut {
		left[filepath.Base(l.Place)] = l.Code
	}
	assert.Equal(t, map[string]string{
		"strange.wasm": "import_unknown", "text.wasm": "not_wasm", "large.wasm": "unreadable",
		"folder.wasm": "unreadable", "link.wasm": "unreadable", "pipe.wasm": "unreadable",
	}, left)
	cmd := exec.Command(p.cmd.Path, "--server", p.url, "plugins", "ls")
	both, err := cmd.CombinedOutput()
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^good +1\.0\.0 +1 +folder`, string(both))
	assert.Contains(t, string(both), "strange.wasm is left out (import_unknown): ")

	exe, err := built()
	require.NoError(t, err)
	alone, err := exec.Command(exe, "run", "good/run", "--plugins", folder).Output()
	require.NoError(t, err)
	assert.JSONEq(t, good.Result(), string(alone))
}
