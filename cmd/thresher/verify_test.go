package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/ledger"
	"thresher/core/ledger/damagetest"
)

// inPipe runs the program without a terminal.
func inPipe(t *testing.T, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	exe, err := built()
	require.NoError(t, err)
	var out, say strings.Builder
	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr = &out, &say
	_ = cmd.Run() // the exit code says it
	return out.String(), say.String(), cmd.ProcessState.ExitCode()
}

// An operator whose disk has damaged a file: verify, backup and restore say so by their
// exit code and name it, against a server and without one, and go round it when told to.
func TestTheCommandLineNamesDamageAndGoesRoundIt(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	p := startProgram(t, data, pluginFolder(t))
	j, err := p.client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	out, say, exit := inPipe(t, "--server", p.url, "verify")
	require.Zero(t, exit, say)
	assert.Regexp(t, `^\d+ records: 0 damaged\n\d+ files, [\d.]+ MB: 0 damaged\n$`, out)
	_, say, exit = inPipe(t, "verify", "--data", data)
	assert.Equal(t, exitUsage, exit)
	assert.Contains(t, say, "ask its server")

	artifact := j.Outcome.Artifacts[0]
	owner := "job " + j.ID + " artifact " + artifact.Name
	logged := p.logs("blob damaged")
	damagetest.All()[0].To(t, damagetest.Path(data, artifact.Digest))
	archive := filepath.Join(dir, "backup.tar")
	check := func(name string, want int, args ...string) string {
		t.Helper()
		out, say, exit := inPipe(t, args...)
		assert.Equal(t, want, exit, "%s: %s%s", name, out, say)
		assert.Contains(t, out+say, owner, name)
		return out
	}
	check("verify", exitDamaged, "--server", p.url, "verify")
	var found core.Verification
	require.NoError(t, json.Unmarshal([]byte(check("verify --json", exitDamaged, "--server", p.url, "verify", "--json")), &found))
	require.Len(t, found.Damaged, 1)
	assert.Equal(t, artifact.Digest, found.Damaged[0].Digest)
	check("jobs save", exitDamaged, "--server", p.url, "jobs", "save", j.ID, filepath.Join(dir, "saved"))
	check("backup", exitDamaged, "--server", p.url, "backup", archive)
	assert.NoFileExists(t, archive)
	check("backup --skip-damaged", exitOK, "--server", p.url, "backup", archive, "--skip-damaged")
	check("restore", exitDamaged, "restore", archive, "--data", filepath.Join(dir, "new"))
	assert.NoDirExists(t, filepath.Join(dir, "new"))
	check("restore --skip-damaged", exitOK, "restore", archive, "--data", filepath.Join(dir, "new"), "--skip-damaged")
	check("verify of what was restored", exitDamaged, "verify", "--data", filepath.Join(dir, "new"))

	select {
	case <-logged:
	case <-time.After(time.Minute):
		require.Fail(t, "the damage was not logged")
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	_ = p.cmd.Wait()
	assert.Equal(t, 1, strings.Count(p.said(), `msg="blob damaged"`), "once")
	check("verify without a server", exitDamaged, "verify", "--data", data)
	_, say, exit = inPipe(t, "verify", "--data", filepath.Join(dir, "nothing"))
	assert.Equal(t, exitUsage, exit)
	assert.Contains(t, say, "no data folder")
	_, err = os.Stat(filepath.Join(dir, "nothing"))
	assert.ErrorIs(t, err, os.ErrNotExist, "nothing is made of it")
}

// Every kind of damage ends with the same exit code, whether this process found it or a
// server did.
func TestDamageHasItsExitCode(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a_blob":                fmt.Errorf("read: %w", ledger.ErrDamaged),
		"the_store":             fmt.Errorf("open: %w", ledger.ErrCorrupt),
		"a_blob_of_a_server":    &client.Problem{Code: "blob_damaged", Status: 500},
		"the_store_of_a_server": &client.Problem{Code: "store_damaged", Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			assert.Equal(t, exitDamaged, report(t.Context(), streams{err: &said}, err))
			assert.Contains(t, said.String(), err.Error())
		})
	}
}
