package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
)

// While a large file is uploaded, guests flood their outputs and logs, and
// subscribers never read, the server's memory stays what it was.
func TestTheServersMemoryStaysBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("long: make test-long runs it")
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads a process's peak of memory from /proc, which only Linux has")
	}
	p := startProgram(t, t.TempDir(), pluginFolder(t))
	_, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/nothing"}, time.Minute)
	require.NoError(t, err)
	before := forgetPeak(t, p.cmd.Process.Pid)

	for range 8 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	var flooding []string
	for _, name := range []string{"print", "rows", "artifacts"} {
		j, err := p.client.Submit(t.Context(), core.Request{Routine: "hostile/" + name, Limits: &job.Limits{
			MemoryBytes: 32 << 20, WallSeconds: 5, OutputBytes: 64 << 20, LogBytes: 1 << 20}}, 0)
		require.NoError(t, err)
		flooding = append(flooding, j.ID)
	}
	const upload = 768 << 20
	set, err := p.client.PutDataset(t.Context(), "large", "csv", &lines{left: upload})
	require.NoError(t, err)
	assert.Greater(t, set.Tables[0].Rows, int64(15_000_000))
	for _, id := range flooding {
		j, err := p.client.Watch(t.Context(), id, func(core.Job) {})
		require.NoError(t, err)
		assert.Equal(t, job.Failed, j.Phase)
	}
	// What it took: three guests of 32 MiB, the batches of 64 MiB that a table is sealed in,
	// of which it has up to two at once, and the windows of import and output.
	grown := peak(t, p.cmd.Process.Pid) - before
	assert.Less(t, grown, int64(upload/2), "bytes, for an upload of %d", upload)
	t.Logf("peak grew by %d MiB over %d MiB, for an upload of %d MiB", grown>>20, before>>20, upload>>20)
}

// lines reads as a CSV table of about so many bytes: a header, and the same block of
// rows again and again.
type lines struct {
	left int
	rest []byte
}

var (
	linesHeader = []byte("id,value,name\n")
	linesBlock  = func() (block []byte) {
		for row := range 1000 {
			block = fmt.Appendf(block, "%d,%d.5,name-%d\n", 1_000_000+row, row, row)
		}
		return block
	}()
)

func (l *lines) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(l.rest) == 0 {
			if l.left <= 0 {
				return n, io.EOF
			}
			if l.rest == nil {
				l.rest = linesHeader
			} else {
				l.rest = linesBlock
			}
			l.left -= len(l.rest)
		}
		c := copy(p[n:], l.rest)
		n, l.rest = n+c, l.rest[c:]
	}
	return n, nil
}

// forgetPeak makes a process's present memory its peak, and returns it in bytes.
func forgetPeak(t *testing.T, pid int) int64 {
	t.Helper()
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0))
	return peak(t, pid)
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

func peak(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := highWater.FindSubmatch(bytes.TrimSpace(status))
	require.NotNil(t, found, string(status))
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return kilobytes << 10
}
