package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
)

// What the clock_gettime of a program's vDSO is replaced by: it asks the kernel, and
// adds to the wall clock, which is clock 0, what follows the code.
//
//	mov eax, 228; syscall; test edi, edi; jne over; mov rax, [rip+offset]; add [rsi], rax; over: xor eax, eax; ret
var (
	movedHead = []byte("\xb8\xe4\x00\x00\x00\x0f\x05\x85\xff\x75\x0a\x48\x8b\x05")
	movedTail = []byte("\x48\x01\x06\x31\xc0\xc3\x90\x90")
)

// moveClock moves the wall clock of one program, and no other clock of it.
func moveClock(t *testing.T, p *program, by time.Duration) {
	t.Helper()
	pid := p.cmd.Process.Pid
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED: cannot change the memory of a program here: %v", err)
	}
	defer memory.Close()
	at := clockCode(t, pid, memory)
	code := append(bytes.Clone(movedHead), 0, 0, 0, 0)
	offset := len(code) + len(movedTail) // of the number, behind the code
	binary.LittleEndian.PutUint32(code[len(movedHead):], uint32(offset-len(code)))
	code = binary.LittleEndian.AppendUint64(append(code, movedTail...), uint64(int64(by.Seconds())))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	_, err = memory.WriteAt(code, at)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// clockCode finds a program's clock_gettime.
func clockCode(t *testing.T, pid int, memory *os.File) int64 {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		if !strings.Contains(line, "[vdso]") {
			continue
		}
		var start, end int64
		_, err := fmt.Sscanf(line, "%x-%x", &start, &end)
		require.NoError(t, err)
		image := make([]byte, end-start)
		_, err = memory.ReadAt(image, start)
		require.NoError(t, err)
		file, err := elf.NewFile(bytes.NewReader(image))
		require.NoError(t, err)
		symbols, err := file.DynamicSymbols()
		require.NoError(t, err)
		for _, s := range symbols {
			if s.Name == "__vdso_clock_gettime" {
				return start + int64(s.Value)
			}
		}
	}
	t.Skip("SKIPPED: the program reads its clock in another way here")
	return 0
}

// The clock of a real server is moved while it runs, and again before it is killed:
// nothing is deleted, ids rise, and the jump is there to be seen.
func TestAServerWhoseClockIsMovedDeletesNothing(t *testing.T) {
	data, plugins := t.TempDir(), pluginFolder(t)
	p := startProgram(t, data, plugins)
	kept := func() int {
		var cleaned struct{ Deleted int }
		require.NoError(t, p.client.Post(t.Context(), "/api/v1/cleanup", nil, &cleaned))
		require.Zero(t, cleaned.Deleted)
		var s core.Stats
		require.NoError(t, p.client.Get(t.Context(), "/api/v1/stats", &s))
		return s.Jobs["completed"]
	}
	last, jobs := "", 0
	run := func() core.Job {
		j, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/nothing", Cache: "off"}, time.Minute)
		require.NoError(t, err)
		require.Greater(t, j.ID, last)
		last = j.ID
		jobs++
		return j
	}
	const day = 24 * time.Hour
	run()
	for _, by := range []time.Duration{2 * day, 3650 * day, -2 * day, -3650 * day, 0} {
		moveClock(t, p, by)
		require.Equal(t, jobs, kept())
		j := run()
		assert.WithinDuration(t, time.Now().Add(by), j.Created, time.Minute, "the clock was moved")
	}
	moveClock(t, p, 2*day)
	run()
	require.Equal(t, float64(1), metric(t, p, "thresher_clock_holds"))
	require.GreaterOrEqual(t, metric(t, p, "thresher_clock_jumps_total"), float64(6))
	require.Eventually(t, func() bool { // it is noted for the next start
		text, err := os.ReadFile(filepath.Join(data, "clock"))
		return err == nil && strings.Count(string(text), `"running":true`) >= 6
	}, time.Minute, 10*time.Millisecond)
	p.kill() // its clock is right again for the next one
	p = startProgram(t, data, plugins)
	require.Equal(t, jobs, kept())
	run()
	out, exit := commandLine(t, p, "clock")
	assert.Zero(t, exit)
	assert.Contains(t, out, "48h0m0s")
	out, exit = commandLine(t, p, "clock", "accept")
	assert.Zero(t, exit)
	assert.Contains(t, out, "no jumps")
}
