package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/registry/registrytest"
)

// Folders that cannot be meant are refused as wrong usage, named, and left as they are.
func TestAFolderThatCannotBeMeantIsWrongUsage(t *testing.T) {
	t.Parallel()
	dir, local := t.TempDir(), "--listen=127.0.0.1:0"
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"data_is_a_file":         {[]string{"serve", local, "--data", file}, "data: " + file + " is not a folder"},
		"data_is_below_a_file":   {[]string{"serve", local, "--data", file + "/data"}, "data: "},
		"data_is_another_folder": {[]string{"serve", local, "--data", dir}, "data: " + dir + " is not a data folder: it has no file format, and holds file; want"},
		"demo":                   {[]string{"demo", local, "--data", dir}, "is not a data folder"},
		"data_is_empty_text":     {[]string{"serve", local, "--data", ""}, "data: "},
		"no_plugins":             {[]string{"serve", local, "--data", filepath.Join(dir, "new"), "--plugins", dir + "/typo"}, "plugins: " + dir + "/typo: no such file or directory: want a folder"},
		"plugins_are_a_file":     {[]string{"serve", local, "--data", filepath.Join(dir, "new"), "--plugins", file}, "plugins: " + file + ": not a directory: want a folder"},
		"no_plugins_of_a_run":    {[]string{"run", "a/b", "--plugins", dir + "/typo"}, "plugins: "},
		"restore_onto_a_file":    {[]string{"restore", file, "--data", file}, "data: "},
		"restore_of_nothing":     {[]string{"restore", dir + "/typo", "--data", dir + "/restored"}, "file: "},
		"verify_a_file":          {[]string{"verify", "--data", file}, "data: "},
		"verify_another_folder":  {[]string{"verify", "--data", dir}, "data: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			exit := run(t.Context(), c.args, streams{nil, &said, &said})
			assert.Equal(t, exitUsage, exit)
			assert.Contains(t, said.String(), c.says)
			left, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			assert.Equal(t, []string{file}, left)
		})
	}
}

// A limit that was changed is stored, and wins over the flag: that is said.
func TestAFlagThatHasNoEffectIsNamed(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), t.TempDir()
	p := startProgram(t, data, plugins)
	require.NoError(t, p.client.Patch(t.Context(), "/api/v1/limits", map[string]int{"slots": 3, "queue_cap": 77}, nil))
	stop(t, p)
	p = startProgram(t, data, plugins, "--queue-cap", "50")
	var limits struct {
		Slots    int
		QueueCap int `json:"queue_cap"`
	}
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/limits", &limits))
	assert.Equal(t, 3, limits.Slots)
	assert.Equal(t, 77, limits.QueueCap)
	said := stop(t, p)
	assert.Regexp(t, `flag not used: the stored limit wins.* flag=--slots given=4 stored=3 change_it_with="thresher limits slots=4"`, said)
	assert.Regexp(t, `flag=--queue-cap given=50 stored=77 change_it_with="thresher limits queue_cap=50"`, said)

	p = startProgram(t, data, plugins, "--slots", "3", "--queue-cap", "77")
	assert.NotContains(t, stop(t, p), "the stored limit wins")
}

func stop(t *testing.T, p *program) (said string) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	said = p.said()
	require.NoError(t, p.cmd.Wait(), said)
	return said
}

// An archive goes through a pipe as it goes into a file.
func TestABackupThroughAPipe(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	probe := registrytest.Plugin{Name: "probe"}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "probe.wasm"), probe.Wasm(), 0o600))
	p := startProgram(t, t.TempDir(), folder)
	_, exit := commandLine(t, p, "run", probe.Routine(), "--remote")
	require.Zero(t, exit)
	backup := exec.Command(p.cmd.Path, "--server", p.url, "backup", "-")
	var said bytes.Buffer
	backup.Stderr = &said
	archive, err := backup.Output()
	require.NoError(t, err)
	assert.Contains(t, said.String(), "standard output: 1 jobs")

	data := filepath.Join(t.TempDir(), "data")
	restore := exec.Command(p.cmd.Path, "restore", "-", "--data", data)
	restore.Stdin = bytes.NewReader(archive)
	out, err := restore.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "1 jobs")

	restore = exec.Command(p.cmd.Path, "restore", "-", "--data", data+"-cut")
	restore.Stdin = bytes.NewReader(archive[:len(archive)/2])
	out, err = restore.CombinedOutput()
	require.Error(t, err, "%s", out)
	assert.NoDirExists(t, data+"-cut")
}
