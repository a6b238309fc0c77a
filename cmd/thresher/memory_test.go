package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
)

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]size{
		"512": 512 << 20, "512MiB": 512 << 20, "2GiB": 2 << 30, "1.5 GiB": 3 << 29, "2gib": 2 << 30, "1TiB": 1 << 40,
		"64KiB": 64 << 10, "65536B": 65536, "500MB": 500e6, "1kB": 1000, "2GB": 2e9, "1TB": 1e12, "0": 0,
	} {
		var s size
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want, s, text)
	}
	for text, why := range map[string]string{
		"": "want a size such as", "-1": "want a size such as", "much": "want a size such as", "1,5GiB": "want a size such as",
		"512m": "unknown unit m", "2 parsecs": "unknown unit parsecs", "9999999TiB": "more than the largest", "1e3": "want a size such as",
		"NaN": "want a size such as", "Inf": "want a size such as",
	} {
		var s size
		assert.ErrorContains(t, s.UnmarshalText([]byte(text)), why, text)
	}
}

// smallCgroup makes a memory cgroup of that many bytes, of whichever version there is.
func smallCgroup(t *testing.T, bytes int64) (procs string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("SKIPPED: making a memory cgroup takes root on Linux. CI runs as root.")
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	root, limit := "", ""
	for line := range strings.Lines(string(own)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		switch {
		case controllers == "memory":
			root, limit = filepath.Join("/sys/fs/cgroup/memory", path), "memory.limit_in_bytes"
		case id == "0" && root == "":
			root, limit = filepath.Join("/sys/fs/cgroup", path), "memory.max"
		}
	}
	dir, err := os.MkdirTemp(root, "thresher-test-")
	if err != nil {
		t.Skipf("SKIPPED: cannot make a cgroup here: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) }) // what stays has no process
	if err := os.WriteFile(filepath.Join(dir, limit), []byte(strconv.FormatInt(bytes, 10)), 0); err != nil {
		t.Skipf("SKIPPED: cannot limit the memory of a cgroup here: %v", err)
	}
	return filepath.Join(dir, "cgroup.procs")
}

func budgetOf(t *testing.T, p *program) int64 {
	t.Helper()
	var s core.Stats
	require.NoError(t, p.client.Get(t.Context(), "/api/v1/stats", &s))
	return s.MemoryBudget
}

// In a container the memory is the container's; --memory sets it.
func TestTheBudgetIsOfTheContainersMemory(t *testing.T) {
	procs := smallCgroup(t, 600<<20)
	exe, err := built()
	require.NoError(t, err)
	start := func(args ...string) *program {
		args = append([]string{"-c", `echo $$ >"$0" && exec "$@"`, procs, exe, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)
		p := startServing(t, exec.Command("sh", args...))
		t.Cleanup(p.kill)
		return p
	}
	p := start()
	assert.EqualValues(t, 450<<20, budgetOf(t, p))
	p.kill()
	assert.Contains(t, p.said(), fmt.Sprintf("msg=memory mib=600 guests_mib=450 go_heap_mib=%d", (600-450)/10*9))
	p = start("--memory", "400MiB")
	assert.EqualValues(t, 300<<20, budgetOf(t, p))
}

func TestMemoryThatCannotBeIsRefused(t *testing.T) {
	exe, err := built()
	require.NoError(t, err)
	for given, why := range map[string]string{"12MiB": "want at least 64 MiB", "lots": "want a size such as 512MiB", "1XB": "unknown unit XB"} {
		out, err := exec.Command(exe, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--memory", given).CombinedOutput()
		assert.Error(t, err)
		assert.Contains(t, string(out), why)
	}
}
