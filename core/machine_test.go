package core_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
)

func TestTheLeastOfMachineAndContainerCounts(t *testing.T) {
	const gib = 1 << 30
	says := func(n uint64, err error) memlimit.Provider { return func() (uint64, error) { return n, err } }
	odd := errors.New("odd")
	for name, c := range map[string]struct {
		machine, container memlimit.Provider
		want               int64
		wantErr            error
	}{
		"container_is_smaller":   {says(8*gib, nil), says(gib, nil), gib, nil},
		"machine_is_smaller":     {says(gib, nil), says(8*gib, nil), gib, nil},
		"container_has_no_limit": {says(gib, nil), says(0, memlimit.ErrNoLimit), gib, nil},
		"there_is_no_container":  {says(gib, nil), says(0, memlimit.ErrNoCgroup), gib, nil},
		"there_are_no_cgroups":   {says(gib, nil), says(0, memlimit.ErrCgroupsNotSupported), gib, nil},
		"container_cannot_tell":  {says(gib, nil), says(0, odd), gib, odd},
		"a_limit_of_nothing":     {says(gib, nil), says(0, nil), gib, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := core.LeastMemory(c.machine, c.container)
			assert.Equal(t, c.want, got)
			assert.ErrorIs(t, err, c.wantErr)
		})
	}
	got, err := core.LeastMemory(says(0, odd), says(gib, nil))
	assert.EqualValues(t, gib, got)
	assert.Error(t, err)
}

// cgroups are files as the kernel shows them: of a hierarchy at /cg, in which this
// process is in a/b.
var cgroups = map[string]struct {
	mount, cgroup string
	files         map[string]string
	want          int64
}{
	"v2_own_limit": {
		"cgroup2 cgroup rw", "0::/a/b",
		map[string]string{"a/memory.max": "max", "a/b/memory.max": "536870912"}, 512 << 20,
	},
	"v2_limit_of_a_parent": {
		"cgroup2 cgroup rw", "0::/a/b",
		map[string]string{"a/memory.max": "268435456", "a/b/memory.max": "536870912"}, 256 << 20,
	},
	"v2_no_limit": {
		"cgroup2 cgroup rw", "0::/a/b",
		map[string]string{"a/memory.max": "max", "a/b/memory.max": "max"}, 0,
	},
	"v1_own_limit": {
		"cgroup cgroup rw,memory", "4:memory:/a/b",
		map[string]string{"a/b/memory.limit_in_bytes": "536870912", "a/b/memory.stat": "hierarchical_memory_limit 536870912"}, 512 << 20,
	},
	"v1_limit_of_a_parent": {
		"cgroup cgroup rw,memory", "4:memory:/a/b",
		map[string]string{"a/b/memory.limit_in_bytes": "9223372036854771712", "a/b/memory.stat": "hierarchical_memory_limit 268435456"}, 256 << 20,
	},
	"v1_no_limit": {
		"cgroup cgroup rw,memory", "4:memory:/a/b",
		map[string]string{"a/b/memory.limit_in_bytes": "9223372036854771712", "a/b/memory.stat": "hierarchical_memory_limit 9223372036854771712"}, 0,
	},
}

const printsMemory = "THRESHER_TEST_PRINTS_MEMORY"

// This test is also the process that others start in a world of their own.
func TestMachineMemoryReadsBothVersionsOfCgroups(t *testing.T) {
	if os.Getenv(printsMemory) != "" {
		memory, err := core.MachineMemory()
		fmt.Printf("memory=%d error=%v\n", memory, err)
		return
	}
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("SKIPPED: showing a process other cgroups takes root on Linux. CI runs as root.")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	whole, err := memlimit.FromSystem()
	require.NoError(t, err)
	for name, c := range cgroups {
		t.Run(name, func(t *testing.T) {
			world := t.TempDir()
			write := func(file, text string) {
				path := filepath.Join(world, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
			}
			for file, text := range c.files {
				write(filepath.Join("cg", file), text)
			}
			fs := strings.Fields(c.mount)
			write("proc/self/mountinfo", fmt.Sprintf("30 20 0:26 / %s rw - %s %s %s", filepath.Join(world, "cg"), fs[0], fs[1], fs[2]))
			write("proc/self/cgroup", c.cgroup)
			cmd := exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$1/proc" /proc && exec "$2" -test.run '^`+t.Name()[:strings.IndexByte(t.Name(), '/')]+`$'`, "sh", world, exe)
			cmd.Env = append(os.Environ(), printsMemory+"=1")
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "unshare") || strings.Contains(string(out), "mount:") {
				t.Skipf("SKIPPED: cannot show a process other cgroups here: %s", out)
			}
			require.NoError(t, err, string(out))
			want := c.want
			if want == 0 {
				want = int64(whole)
			}
			assert.Contains(t, string(out), fmt.Sprintf("memory=%d error=<nil>", want))
		})
	}
}

// A budget that is the default follows the machine; one that was set stays.
func TestTheDefaultBudgetFollowsTheMachine(t *testing.T) {
	dir := t.TempDir()
	openOn := func(memory int64) (*core.Engine, *[]int64) {
		var heeded []int64
		e, err := core.Open(t.Context(), core.Config{Dir: dir, Memory: memory, Heed: func(l core.Limits) { heeded = append(heeded, l.MemoryBytes) }}, newScript())
		require.NoError(t, err)
		return e, &heeded
	}
	const gib = 1 << 30
	e, heeded := openOn(16 * gib)
	assert.EqualValues(t, 12*gib, e.Limits().MemoryBytes)
	_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) { l.Slots = 3; return l, nil })
	require.NoError(t, err)
	assert.EqualValues(t, 12*gib, e.Limits().MemoryBytes)
	require.NoError(t, e.Close(t.Context()))
	assert.Equal(t, []int64{12 * gib, 12 * gib}, *heeded)

	e, heeded = openOn(200 << 20)
	assert.EqualValues(t, 150<<20, e.Limits().MemoryBytes)
	assert.Equal(t, 3, e.Limits().Slots)
	_, err = e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
		l.MemoryBytes, l.Job.MemoryBytes = 100<<20, 50<<20
		return l, nil
	})
	require.NoError(t, err)
	require.NoError(t, e.Close(t.Context()))
	assert.EqualValues(t, 100<<20, (*heeded)[len(*heeded)-1])

	e, _ = openOn(16 * gib)
	assert.EqualValues(t, 100<<20, e.Limits().MemoryBytes)
	require.NoError(t, e.Close(t.Context()))
}

// On any machine a job that names no limits can run.
func TestDefaultLimitsFitSmallMachines(t *testing.T) {
	for _, memory := range []int64{64 << 20, 100<<20 + 1, 300 << 20, 1 << 40} {
		e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Memory: memory}, newScript())
		require.NoError(t, err, memory)
		ended(t, e, 1)
		require.NoError(t, e.Close(t.Context()))
	}
}

func TestTheHeapGetsWhatGuestsLeave(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ memory, budget, want int64 }{
		{1000 * mib, 750 * mib, 225 * mib},
		{1000 * mib, 100 * mib, 810 * mib},
		{1000 * mib, 1000 * mib, 125 * mib},
		{1000 * mib, 9000 * mib, 125 * mib},
	} {
		assert.Equal(t, c.want, core.HeapLimit(c.memory, c.budget))
	}
}
