package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"thresher/core"
	"thresher/core/job"
	"thresher/server"
)

// alive is what is left of the server while every slot runs a guest that wants a core.
func alive(ctx context.Context, b *bench) error {
	for _, more := range []int{0, 1} {
		if err := aliveWith(ctx, b, runtime.NumCPU()+more); err != nil {
			return err
		}
	}
	return nil
}

func aliveWith(ctx context.Context, b *bench, procs int) (err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	title("The server while %d slots run guests that never wait: GOMAXPROCS %d", runtime.NumCPU(), procs)
	s, err := serve(ctx, b, filepath.Join(b.dir, strconv.Itoa(procs)), runtime.NumCPU())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	jobs := s.url + "/api/v1/jobs"
	if _, err := s.speed(ctx, func() error { return pause(ctx, 2*time.Second) }); err != nil { // warm
		return err
	}
	alone, err := s.speed(ctx, func() error { return pause(ctx, 3*time.Second) })
	if err != nil {
		return err
	}
	for _, rate := range []int{200, 0} {
		var h heard
		speed, err := s.speed(ctx, func() (err error) { h, err = load(ctx, jobs, rate, 4*time.Second); return err })
		if err != nil {
			return err
		}
		name := "flat out"
		if rate > 0 {
			name = fmt.Sprint(rate, " requests/s")
		}
		fmt.Printf("GET /api/v1/jobs, %-16s %8.0f/s   p50 %6.2f ms   p99 %6.2f ms   guests keep %3.0f %% of their speed\n", name, h.Rate,
			h.P50.Seconds()*1000, h.P99.Seconds()*1000, 100*speed/alone)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err()
}

func load(ctx context.Context, url string, rate int, length time.Duration) (h heard, err error) {
	self, err := os.Executable()
	if err != nil {
		return h, err
	}
	cmd := exec.CommandContext(ctx, self, "-load", url, "-rate", strconv.Itoa(rate), "-for", length.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return h, fmt.Errorf("load: %w", err)
	}
	return h, json.Unmarshal(out, &h)
}

// running is a server with an engine on the bench's host.
type running struct {
	url    string
	engine *core.Engine
	close  func() error
	slots  int
}

func serve(ctx context.Context, b *bench, dir string, slots int) (*running, error) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	limits := core.DefaultLimits()
	limits.Slots = slots
	e, err := core.Open(ctx, core.Config{Dir: dir, Limits: limits, Log: log}, b.host)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := server.New(server.Config{Version: "bench", Log: log, MaxUpload: 64 << 20}, e, nil)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return &running{url: "http://" + l.Addr().String(), engine: e, slots: slots, close: func() error {
		now, cancel := context.WithCancel(ctx)
		cancel() // it need not wait for jobs
		return errors.Join(e.Close(now), s.Shutdown(ctx), <-served)
	}}, nil
}

// speed fills every slot with a guest that loops, does something, stops them, and
// returns the gas that they have used in a second.
func (r *running) speed(ctx context.Context, during func() error) (float64, error) {
	var ids []string
	for range r.slots {
		j, err := r.engine.Submit(ctx, core.Request{Routine: "bench-go/spin", Cache: "off"})
		if err != nil {
			return 0, err
		}
		ids = append(ids, j.ID)
	}
	for _, id := range ids {
		for {
			j, err := r.engine.Job(ctx, id)
			if err != nil {
				return 0, err
			}
			if j.Phase == job.Running {
				break
			}
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
	err := during()
	total := 0.0
	for _, id := range ids {
		_, stopped := r.engine.Stop(ctx, id)
		j, waited := r.engine.Wait(ctx, id)
		err = errors.Join(err, stopped, waited)
		if waited == nil && j.Outcome != nil && j.Outcome.Usage.WallSeconds > 0 {
			total += float64(j.Outcome.Usage.Gas) / j.Outcome.Usage.WallSeconds
		}
	}
	return total, err
}
