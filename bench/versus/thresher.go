package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// everyLimit is all limits at once, wide enough not to hold anything up: what they
// cost is what deciding by them costs.
const everyLimit = `{"tenant_slots":{"*":64},"plugin_slots":{"*":64},"node_slots":{"*":64},"locks":{"*":64},
	"queue_cap":5000,"tenant_queue_cap":{"*":5000},"tenant_weights":{"a":2,"*":1},"ageing_seconds":10,"patience_seconds":10,
	"max_job":{"memory_bytes":536870912}}`

// keepAll keeps jobs for a day however many they are, as River does.
const keepAll = `{"retention":{"*":{"age_seconds":86400}}}`

// thresher is the real program in a process of its own, asked over HTTP, with more
// limits than its own.
func thresher(name, limits string) system {
	profiles := &profiles{}
	return system{name: name, profiles: profiles, start: func(ctx context.Context, dir string) (func(context.Context) error, func(), error) {
		url, stop, err := startThresher(ctx, dir, profiles.flags()...)
		if err != nil {
			return nil, nil, err
		}
		change := keepAll
		if limits != "" {
			change = keepAll[:len(keepAll)-1] + "," + limits[1:]
		}
		if err := patchLimits(ctx, url, change); err != nil {
			stop()
			return nil, nil, err
		}
		return submitter(url, limits != ""), stop, nil
	}}
}

// submitter submits empty jobs: all alike, or of several tenants, with a lock and
// limits of their own.
func submitter(url string, limited bool) func(context.Context) error {
	c := client.New(url)
	var n atomic.Int64
	return func(ctx context.Context) error {
		req := core.Request{Routine: "hostile/nothing", Cache: "off"}
		if limited {
			i := n.Add(1)
			req.Tenant = string(rune('a' + i%8))
			req.Locks = []job.Lock{{Name: fmt.Sprint("licence-", i%4), Limit: 64}}
			req.Limits = &job.Limits{MemoryBytes: 64 << 20, WallSeconds: 10}
		}
		j, err := c.Submit(ctx, req, time.Minute)
		if err == nil && j.Phase != job.Completed {
			err = fmt.Errorf("job %s is %s", j.ID, j.Phase)
		}
		return err
	}
}

func startThresher(ctx context.Context, dir string, flags ...string) (url string, stop func(), err error) {
	exe, plugins := filepath.Join(dir, "thresher"), filepath.Join(dir, "plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return "", nil, err
	}
	if err := errors.Join(
		goBuild(ctx, []string{"CGO_ENABLED=0"}, "-o", exe, "./cmd/thresher"),
		goBuild(ctx, []string{"CGO_ENABLED=0", "GOOS=wasip1", "GOARCH=wasm"}, "-buildmode=c-shared", "-ldflags=-w", "-o", filepath.Join(plugins, "hostile.wasm"), "./plugins/hostile/guest"),
	); err != nil {
		return "", nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	url = "http://" + address
	stop, err = startServer(exe, nil, append([]string{"serve", "--listen", address, "--data", filepath.Join(dir, "data"), "--plugins", plugins,
		"--slots", fmt.Sprint(workers), "--log-level", "error"}, flags...)...)
	if err != nil {
		return "", nil, err
	}
	err = until(ctx, func() error {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		stop()
	}
	return url, stop, err
}

// goBuild builds from the product's module, one folder up: the benchmarks run in
// bench/.
func goBuild(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-C", ".."}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", args, err, out)
	}
	return nil
}

func patchLimits(ctx context.Context, url, change string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, url+"/api/v1/limits", strings.NewReader(change))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("limits: %s", resp.Status)
	}
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startServer starts a process and returns what ends it.
func startServer(exe string, as []string, args ...string) (stop func(), err error) {
	line := append(append(as, exe), args...)
	cmd := exec.Command(line[0], line[1:]...)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}, nil
}

// until tries again until it works, for five minutes at most.
func until(ctx context.Context, try func() error) error {
	var err error
	for range 3000 {
		if err = try(); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // another process
	}
	return err
}
