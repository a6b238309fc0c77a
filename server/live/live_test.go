package live_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server"
	"thresher/server/servertest"
)

// dial opens a stream of all jobs, and reads nothing of it.
func dial(t *testing.T, s *servertest.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = io.WriteString(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	return c.(*net.TCPConn)
}

// deafen leaves little room for what is sent to a client.
func deafen(t *testing.T, c *net.TCPConn) { require.NoError(t, c.SetReadBuffer(4<<10)) }

// loud makes jobs of a batch whose every event is large.
func loud(t *testing.T, s *servertest.Server, jobs int) {
	t.Helper()
	columns, err := json.Marshal(map[string][]string{"columns": {strings.Repeat("x", 24<<10)}})
	require.NoError(t, err)
	for n := range jobs {
		_, err := s.Client.Submit(t.Context(), core.Request{
			Routine: "tabular/describe", Params: columns, Inputs: map[string]string{"data": "d"}, Cache: "off",
			Labels: map[string]string{"n": fmt.Sprint(n)},
		}, 0)
		require.NoError(t, err)
	}
}

func start(t testing.TB) *servertest.Server {
	t.Helper()
	s := servertest.StartWith(t, server.Config{}, core.Limits{})
	_, err := s.Client.PutDataset(t.Context(), "d", "csv", strings.NewReader("a\n1\n"))
	require.NoError(t, err)
	return s
}

// soon is the deadline of what has no signal: it is looked at again and again.
func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 2*time.Minute, 50*time.Millisecond, what)
}

type footprint struct {
	goroutines int
	heap       uint64
}

func measure() footprint {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{runtime.NumGoroutine(), m.HeapAlloc}
}

// A thousand clients come; some are killed, some never read; the rest sees
// everything. When all are gone, so is what they took.
func TestAThousandStreamsLeaveNothingBehind(t *testing.T) {
	const killed, deaf, all, jobs = 200, 50, 1000, 4
	s := start(servertest.Measured(t))
	loud(t, s, jobs) // what the first events leave behind stays
	before := measure()

	var open []*net.TCPConn
	for range all {
		open = append(open, dial(t, s))
	}
	subscribed := func(n int) func() bool {
		return func() bool { now, _ := s.Engine.Subscribers(); return now == n }
	}
	soon(t, "all are subscribed", subscribed(all))
	full := measure()
	for _, c := range open[:killed] {
		require.NoError(t, c.SetLinger(0)) // as the end of its process would
		require.NoError(t, c.Close())
	}
	for _, c := range open[killed : killed+deaf] {
		deafen(t, c)
	}
	var heard sync.WaitGroup
	missed := make(chan int, all)
	for _, c := range open[killed+deaf:] {
		heard.Go(func() { missed <- jobs - ended(c, jobs) })
	}
	loud(t, s, jobs)
	heard.Wait()
	close(missed)
	incomplete := 0
	for n := range missed {
		if n > 0 {
			incomplete++
		}
	}
	now, dropped := s.Engine.Subscribers()
	require.Zero(t, incomplete, "clients that did not see every job to its end; %d are subscribed, %d dropped", now, dropped)
	soon(t, "those who are gone or deaf are dropped", subscribed(all-killed-deaf))
	_, dropped = s.Engine.Subscribers()
	assert.GreaterOrEqual(t, dropped, uint64(deaf))

	for _, c := range open[killed:] {
		require.NoError(t, c.Close())
	}
	soon(t, "nobody is subscribed", subscribed(0))
	var after footprint
	soon(t, "goroutines and memory are back", func() bool {
		after = measure()
		return after.goroutines <= before.goroutines+20 && after.heap <= before.heap+16<<20
	})
	t.Logf("goroutines %d, %d with %d clients, %d after; heap %d, %d, %d MiB", before.goroutines, full.goroutines, all, after.goroutines,
		before.heap>>20, full.heap>>20, after.heap>>20)
}

// ended reads a stream until so many jobs have ended, and returns how many have.
func ended(c net.Conn, jobs int) (n int) {
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute)) // a hang fails the test
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 64<<10), nil)
	if err != nil {
		return 0
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for n < jobs {
		line, err := lines.ReadString('\n')
		if err != nil {
			return n
		}
		if strings.HasPrefix(line, "data: ") && strings.Contains(line, `"outcome":`) {
			n++
		}
	}
	return n
}

// A client that reads less than there is to read falls behind, and is told why its stream
// ends.
func TestAStreamThatFallsBehindIsToldWhy(t *testing.T) {
	const writers, most = 25, 100
	s := start(t)
	loud(t, s, writers)
	jobs, err := s.Client.Jobs(t.Context(), nil)
	require.NoError(t, err)
	c := dial(t, s)
	require.NoError(t, c.SetReadBuffer(64<<10)) // else the kernel may keep megabytes for it
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Minute)))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	var said strings.Builder
	rounds := 0
	for dropped := uint64(0); dropped == 0; _, dropped = s.Engine.Subscribers() {
		rounds++
		require.Less(t, rounds, most, "rounds of %d large events, of which it reads two", writers)
		var all sync.WaitGroup
		for _, j := range jobs.Jobs {
			all.Go(func() {
				_, err := s.Engine.Pin(t.Context(), j.ID, rounds%2 == 1)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		// So that no write waits longer than the server has patience.
		_, err := io.CopyN(&said, resp.Body, 2*24<<10)
		require.NoError(t, err)
	}
	_, err = io.Copy(&said, resp.Body)
	require.NoError(t, err, "the stream ends in order")
	assert.Contains(t, said.String(), "event: dropped\ndata: {\"reason\":\"the subscriber was too slow and was dropped\"}")
}

// Clients whose requests never end hold nobody up, and are sent away.
func TestSlowDripsStarveNobody(t *testing.T) {
	const drips = 500
	s := servertest.StartWith(t, server.Config{HeadTime: 5 * time.Second}, core.Limits{})
	var dripping []net.Conn
	for range drips {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: loc")
		require.NoError(t, err)
		dripping = append(dripping, c)
	}
	var took time.Duration
	for range 100 {
		start := time.Now()
		_, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir", Params: []byte(`{"population":10,"steps":1}`)}, time.Minute)
		require.NoError(t, err)
		took = max(took, time.Since(start))
	}
	t.Logf("the slowest of 100 submits with %d drips: %v", drips, took)
	for _, c := range dripping {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(2*time.Minute)))
		_, err := io.Copy(io.Discard, c)
		require.NoError(t, err, "it is closed")
	}
}
