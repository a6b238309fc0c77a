package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
)

// memory is what a process has of memory that is its own, and the most it had since it
// was asked to begin anew, in MiB.
func memory(t *testing.T, pid int) (now, most int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	value := func(name string) int {
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				kib, err := strconv.Atoi(strings.Fields(rest)[0])
				require.NoError(t, err)
				return kib / 1024
			}
		}
		t.Fatalf("no %s", name)
		return 0
	}
	return value("VmRSS"), value("VmHWM")
}

// A large module costs the server no more than two copies of itself while it is
// verified. However many come at once, they are received to disk and verified two at a
// time.
func TestALargeUploadTakesLittleMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long: make test-long runs it")
	}
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		t.Skip("SKIPPED: memory is read from /proc")
	}
	p := startProgram(t, t.TempDir(), t.TempDir())
	push := func(version string) registry.View {
		var v registry.View
		require.NoError(t, p.client.Send(t.Context(), "POST", "/api/v1/plugins?wait=60s", "application/wasm",
			bytes.NewReader(registrytest.Plugin{Version: version, Data: 30 << 20}.Wasm()), &v))
		require.Equal(t, "ready", v.State, v.Report)
		return v
	}
	most := func(do func()) (added int) {
		require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0o600))
		before, _ := memory(t, p.cmd.Process.Pid)
		do()
		_, most := memory(t, p.cmd.Process.Pid)
		t.Logf("before %d, most %d", before, most)
		return most - before
	}
	one := most(func() { push("1.0.0") })
	ten := most(func() {
		var all sync.WaitGroup
		for n := range 10 {
			all.Go(func() { push(fmt.Sprintf("1.1.%d", n)) })
		}
		all.Wait()
	})
	t.Logf("one upload of 30 MiB: %d MiB more, ten at once: %d MiB more", one, ten)
	assert.LessOrEqual(t, one, 64)
	assert.LessOrEqual(t, ten, 128)
}
