package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"thresher/client"
	"thresher/core"
)

// program is the real program, serving.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has
	url   string
	ready time.Duration // from its start to its first answer that it is ready
	cpu   time.Duration // that it used until then: on a busy machine it tells more
}

// start starts the program on a folder and waits until it is ready, for ten minutes
// at most.
func start(ctx context.Context, exe, data string) (*program, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &program{url: fmt.Sprint("http://127.0.0.1:", port), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, exe, "serve", "--listen", fmt.Sprint("127.0.0.1:", port), "--data", data, "--slots", "2", "--log-level", "warn")
	said := &strings.Builder{}
	p.cmd.Stderr = said
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is in what it said
	}()
	for !p.hasEnded() && time.Since(began) < 10*time.Minute {
		resp, err := http.Get(p.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				p.ready = time.Since(began)
				p.cpu, err = p.used()
				return p, err
			}
		}
		time.Sleep(5 * time.Millisecond) // the program is another process: there is nothing to wait for
	}
	p.kill()
	return nil, fmt.Errorf("not ready after %s: %s", time.Since(began), said)
}

// used is the processor time that the program has used.
func (p *program) used() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var user, system int64 // in hundredths of a second
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	if _, err := fmt.Sscan(fields[12]+" "+fields[13], &user, &system); err != nil {
		return 0, err
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func (p *program) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// memory prints what a record takes: the heap after a collection, as the program's
// own metrics tell it, and all memory of the process.
func (p *program) memory(n int) error {
	heap, err := p.settledHeap()
	if err != nil {
		return err
	}
	fmt.Printf("heap a record                   %8.0f bytes (%.0f MB left by the last collection)\n", heap/float64(n), heap/(1<<20))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			fmt.Print("process                         ", line)
		}
	}
	return nil
}

// settledHeap is the live heap that the newest collection found: what is allocated
// since would count garbage. One is awaited:
// the runtime makes one every two minutes at least.
func (p *program) settledHeap() (float64, error) {
	before, err := p.metric("go_gc_duration_seconds_count")
	if err != nil {
		return 0, err
	}
	for range 150 {
		now, err := p.metric("go_gc_duration_seconds_count")
		if err != nil {
			return 0, err
		}
		if now > before {
			break
		}
		time.Sleep(time.Second) // another process
	}
	next, err := p.metric("go_memstats_next_gc_bytes") // twice what the last one left
	return next / 2, err
}

func (p *program) metric(name string) (value float64, err error) {
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			_, err := fmt.Sscan(text, &value)
			return value, err
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// lists prints how long a page of 100 takes over HTTP, for each kind of filter,
// while 50 jobs a second are submitted and run.
func (p *program) lists(ctx context.Context, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	var writers sync.WaitGroup
	writers.Go(func() { p.write(ctx) })
	defer writers.Wait()
	defer cancel()
	middle := time.Now().Add(-time.Duration(n) * spacing / 2).UTC().Format(time.RFC3339)
	fmt.Printf("%-40s %9s %9s %9s   pages of 100, ms, while 50 jobs a second are written\n", "", "p50", "p95", "p99")
	for _, query := range []string{
		"", "phase=completed", "phase=failed", "plugin=tabular", "tenant=team-07", "label=owner=ana", "label=sweep=s-042", "label=rare=yes",
		"to=" + middle, "from=" + middle, "phase=failed&tenant=team-07&label=owner=bo", "phase=completed&plugin=models&tenant=team-11&to=" + middle,
		"label=rare=yes&plugin=tabular", "phase=failed&plugin=tabular", // none has both: all must be looked at
		"phase=failed&plugin=tabular&tenant=team-07", // nor these three
	} {
		took, err := p.pages(query)
		if err != nil {
			return err
		}
		at := func(percent int) float64 { return took[len(took)*percent/100].Seconds() * 1000 }
		fmt.Printf("%-40s %9.2f %9.2f %9.2f\n", "GET /jobs?"+strings.Replace(query, middle, "MIDDLE", 1), at(50), at(95), at(99))
	}
	return nil
}

// pages asks for 200 pages, following the cursor, and returns how long each took.
func (p *program) pages(query string) (took []time.Duration, err error) {
	cursor := ""
	for range 200 {
		began := time.Now()
		resp, err := http.Get(p.url + "/api/v1/jobs?" + query + "&cursor=" + url.QueryEscape(cursor))
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s: %s", query, resp.Status, body)
		}
		var page struct{ Next string }
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		cursor = page.Next
		time.Sleep(5 * time.Millisecond) // a person's or a dashboard's pace, not a flood
	}
	slices.Sort(took)
	return took, nil
}

// write submits 50 jobs a second until ctx ends.
func (p *program) write(ctx context.Context) {
	c := client.New(p.url)
	tick := time.NewTicker(time.Second / 50)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := c.Submit(ctx, core.Request{Routine: "models/sir", Params: json.RawMessage(`{"population":50,"steps":5}`), Cache: "off", Tenant: "writer"}, 0)
		if err != nil && ctx.Err() == nil {
			fmt.Println("submit:", err)
			return
		}
	}
}
