package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/sandbox"
	"thresher/server"
)

// faults are planted in a running server, each where the real thing would be.
var faults = map[string]func(e *atomic.Pointer[core.Engine]) core.Faults{
	// Every write goes in, whatever it was decided on.
	"a dropped compare-and-swap": func(*atomic.Pointer[core.Engine]) core.Faults {
		return core.Faults{Ledger: ledger.Faults{Fits: func(uint64, uint64) bool { return true }}}
	},
	// Some readers look at a record without the lock that orders them after its
	// newest write: they see what it was before.
	"a read outside the lock": func(*atomic.Pointer[core.Engine]) core.Faults {
		return core.Faults{Ledger: ledger.Faults{Read: staleReads(0.1)}}
	},
	// Writes are acknowledged at once, and reach the disk later.
	"an acknowledged but unsynced write": func(*atomic.Pointer[core.Engine]) core.Faults {
		return core.Faults{Ledger: ledger.Faults{Send: later(20 * time.Millisecond)}}
	},
	// A slot is given to two jobs.
	"a double grant": func(e *atomic.Pointer[core.Engine]) core.Faults {
		return core.Faults{Claim: func(string) bool { return true }, Grant: func(id string, grant func(string)) {
			grant(id)
			if e.Load() == nil {
				return // it is not open yet
			}
			if page, _ := e.Load().Jobs(context.Background(), core.Filter{Phase: job.Pending, Limit: 1}); len(page.Jobs) > 0 {
				grant(page.Jobs[0].ID)
			}
		}}
	},
	// Recovery runs what has ended again.
	"a resurrecting recovery": func(*atomic.Pointer[core.Engine]) core.Faults {
		return core.Faults{Recover: func(r job.Record) (job.Record, bool) {
			if r.Phase != job.Completed && r.Phase != job.Stopped {
				return r, false
			}
			r.Phase, r.Desired, r.Outcome, r.Ended = job.Pending, job.WantRun, nil, nil
			return r, true
		}}
	},
	"no fault": func(*atomic.Pointer[core.Engine]) core.Faults { return core.Faults{} },
}

// staleReads returns, now and then, what a record was at the revision before.
func staleReads(chance float64) func(key string, revision uint64, entry any) any {
	type version struct {
		revision uint64
		entry    any
	}
	var mu sync.Mutex
	now, before := map[string]version{}, map[string]version{}
	return func(key string, revision uint64, entry any) any {
		mu.Lock()
		defer mu.Unlock()
		key = fmt.Sprintf("%T %s", entry, key)
		if revision > now[key].revision {
			now[key], before[key] = version{revision, entry}, now[key]
		}
		if stale := before[key].entry; stale != nil && rand.Float64() < chance {
			return stale
		}
		return entry
	}
}

// later writes in order, each some time after the one before.
func later(each time.Duration) func(next uint64, send func() (uint64, error)) (uint64, error) {
	queue := make(chan func() (uint64, error), 1<<16)
	go func() {
		for send := range queue {
			time.Sleep(each) // a disk that is slow
			_, _ = send()
		}
	}()
	return func(next uint64, send func() (uint64, error)) (uint64, error) {
		queue <- send
		return next, nil
	}
}

// brokenEnv begins the names of what startBroken tells serveBroken: FAULT, DATA,
// PLUGIN and CACHE.
const brokenEnv = "THRESHER_TEST_"

// serveBroken serves as `thresher serve` does, and says its address likewise.
func serveBroken(fault string) {
	ctx := context.Background()
	env := func(name string) string { return os.Getenv(brokenEnv + name) }
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	slog.SetDefault(log)
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitServer)
		}
	}
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: env("CACHE"), Log: log})
	check(err)
	wasm, err := os.ReadFile(env("PLUGIN"))
	check(err)
	_, err = host.Load(ctx, wasm, false)
	check(err)
	var opened atomic.Pointer[core.Engine]
	e, err := core.Open(ctx, core.Config{Dir: env("DATA"), Limits: core.Limits{Slots: 4}, Log: log, Faults: faults[fault](&opened)}, host)
	check(err)
	opened.Store(e)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Fprintf(os.Stderr, "serves http://%s, with %s\n", l.Addr(), fault)
	check(server.New(server.Config{Version: version, Log: log}, e, nil).Serve(l))
}

// startBroken starts a server with a fault.
func startBroken(t *testing.T, fault, data, plugin string) *program {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), brokenEnv+"FAULT="+fault, brokenEnv+"DATA="+data, brokenEnv+"PLUGIN="+plugin,
		brokenEnv+"CACHE="+guesttest.CacheDir(t))
	return startServing(t, cmd)
}

// The checks find what they are for: a server with a fault in it does not get
// through what the real one gets through.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long: make test-long runs it")
	}
	plugin := filepath.Join(t.TempDir(), "hostile.wasm")
	require.NoError(t, os.WriteFile(plugin, guesttest.Build(t, "thresher/plugins/hostile/guest"), 0o600))
	for fault := range faults {
		t.Run(fault, func(t *testing.T) {
			data := t.TempDir()
			f := fire{
				start: func() *program { return startBroken(t, fault, data, plugin) },
				slots: 4, kills: 15, asked: 300, stay: fault == "a double grant",
			}
			if fault == "no fault" {
				f.kills = 2
			}
			h, err := f.run(t)
			t.Logf("%d requests: %.300v", h.Asked(), err)
			if fault == "no fault" {
				assert.NoError(t, err)
			} else {
				assert.Error(t, err)
			}
		})
	}
}
