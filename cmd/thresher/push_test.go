package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"aead.dev/minisign"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/registry/registrytest"
)

// moduleFile writes a plugin's module to a file.
func moduleFile(t *testing.T, dir string, p registrytest.Plugin) string {
	t.Helper()
	path := filepath.Join(dir, "probe-"+p.Version+p.Salt+".wasm")
	require.NoError(t, os.WriteFile(path, p.Wasm(), 0o600))
	return path
}

// keyFiles makes a pair of keys of minisign's.
func keyFiles(t *testing.T, dir, name string) (secret, public string) {
	t.Helper()
	pub, sec, err := minisign.GenerateKey(nil)
	require.NoError(t, err)
	secretText, err := sec.MarshalText()
	require.NoError(t, err)
	publicText, err := pub.MarshalText()
	require.NoError(t, err)
	secret, public = filepath.Join(dir, name+".key"), filepath.Join(dir, name+".pub")
	require.NoError(t, os.WriteFile(secret, secretText, 0o600))
	require.NoError(t, os.WriteFile(public, publicText, 0o600))
	return secret, public
}

// The life of a plugin from the command line, as users type it.
func TestPluginsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), t.TempDir())
	dir := t.TempDir()
	one := moduleFile(t, dir, registrytest.Plugin{Version: "1.0.0"})
	two := moduleFile(t, dir, registrytest.Plugin{Version: "1.1.0"})
	wrong := moduleFile(t, dir, registrytest.Plugin{Version: "1.2.0", Example: `{"version":"1.3.0"}`})
	taken := moduleFile(t, dir, registrytest.Plugin{Version: "1.0.0", Salt: "x"})
	for _, step := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"plugins", "push", one}, 0, "plugin   probe@1.0.0, active"},
		{[]string{"plugins", "push", one}, 0, "plugin   probe@1.0.0, active"},
		{[]string{"plugins", "push", two, "--no-activate"}, 0, "plugin   probe@1.1.0\n"},
		{[]string{"run", "probe@1.1.0/run", "--remote"}, 0, `"1.1.0"`},
		{[]string{"run", "probe/run", "--remote"}, 0, `"1.0.0"`},
		{[]string{"plugins", "activate", "probe@1.1.0"}, 0, "ready, active"},
		{[]string{"run", "probe/run", "--remote"}, 0, `"1.1.0"`},
		{[]string{"plugins", "rollback", "probe"}, 0, "ready, active"},
		{[]string{"run", "probe/run", "--remote"}, 0, `"1.0.0"`},
		{[]string{"plugins", "rollback", "probe"}, exitUsage, "illegal_state"},
		{[]string{"plugins", "push", wrong}, exitJobFailed, `is rejected (example_failed, examples): routine run, example answers: the result differs: result.version: want "1.3.0", got "1.2.0"`},
		{[]string{"plugins", "push", taken}, exitJobFailed, "version_taken"},
		{[]string{"plugins", "push", filepath.Join(dir, "none.wasm")}, exitUsage, "none.wasm"},
		{[]string{"plugins", "ls"}, 0, "probe"},
		{[]string{"plugins", "show", "probe"}, 0, "1.1.0"},
		{[]string{"plugins", "show", "probe@1.1.0"}, 0, "example  run/answers passed"},
		{[]string{"plugins", "disable", "probe@1.0.0", "--reason", "it lies"}, 0, "it lies"},
		{[]string{"run", "probe/run", "--remote"}, exitUsage, "plugin_disabled"},
		{[]string{"plugins", "enable", "probe@1.0.0"}, 0, "ready, active"},
		{[]string{"plugins", "deprecate", "probe@1.0.0", "use 1.1.0"}, 0, "use 1.1.0"},
		{[]string{"plugins", "rm", "probe@1.0.0"}, exitUsage, "in_use"},
		{[]string{"plugins", "rm", "probe@1.1.0"}, 0, "deleted"},
		{[]string{"plugins", "show", "probe@1.1.0"}, exitNotFound, ""},
		{[]string{"plugins", "show", "probe@"}, exitUsage, "NAME@VERSION"},
		{[]string{"plugins", "show", "none"}, exitNotFound, ""},
	} {
		out, exit := commandLine(t, p, step.args...)
		assert.Equal(t, step.exit, exit, "%v: %s", step.args, out)
		assert.Contains(t, out, step.says, "%v", step.args)
	}
}

// What is signed is signed by the program itself, and by nobody else.
func TestSignedPluginsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p := startProgram(t, t.TempDir(), t.TempDir(), "--require-signed")
	dir := t.TempDir()
	module := moduleFile(t, dir, registrytest.Plugin{Version: "1.0.0"})
	other := moduleFile(t, dir, registrytest.Plugin{Version: "1.0.1"})
	secret, public := keyFiles(t, dir, "ada")
	stranger, _ := keyFiles(t, dir, "eve")
	for _, step := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"plugins", "push", module}, exitUsage, "signature_missing"},
		{[]string{"plugins", "push", module, "--sign", secret}, exitUsage, "signature_key_unknown"},
		{[]string{"keys", "trust", public, "--name", "ada"}, 0, "trusted"},
		{[]string{"plugins", "push", module, "--sign", stranger}, exitUsage, "signature_key_unknown"},
		{[]string{"plugins", "sign", module, "--key", secret, "--comment", "mine"}, 0, "signed"},
		{[]string{"plugins", "push", other, "--signature", module + ".minisig"}, exitUsage, "signature_wrong"},
		{[]string{"plugins", "push", module}, 0, "ada"},
		{[]string{"keys", "ls"}, 0, "ada"},
		{[]string{"keys", "trust", "RWnonsense"}, exitUsage, "public key of minisign"},
		{[]string{"keys", "trust", "none.pub"}, exitUsage, "none.pub"},
		{[]string{"keys", "revoke", "0000"}, exitNotFound, ""},
	} {
		out, exit := commandLine(t, p, step.args...)
		assert.Equal(t, step.exit, exit, "%v: %s", step.args, out)
		assert.Contains(t, out, step.says, "%v", step.args)
	}
	var found struct{ Keys []struct{ ID string } }
	out, _ := commandLine(t, p, "keys", "ls", "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	_, exit := commandLine(t, p, "keys", "revoke", found.Keys[0].ID)
	assert.Zero(t, exit)
	out, exit = commandLine(t, p, "plugins", "push", other, "--sign", secret)
	assert.Equal(t, exitUsage, exit)
	assert.Contains(t, out, "signature_key_revoked")
}
