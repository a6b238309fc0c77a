package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// spent is where the time of the server can go: the first of them whose frames are in a
// stack, read from its inner end, is where a sample belongs.
var spent = []struct {
	name   string
	frames []string // what the names of its functions begin with, or "=" and the name
}{
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMarkDone"}},
	{"scheduler", []string{"=runtime.mcall", "=runtime.mstart", "=runtime.schedule", "=runtime.findRunnable", "runtime.sysmon", "runtime.goready", "runtime.ready", "runtime.wakep"}},
	{"store: writing the log and its sync", []string{"github.com/cockroachdb/pebble/v2/record.", "thresher/core/ledger.(*diskFile)", "thresher/core/ledger.(*disk)", "github.com/cockroachdb/pebble/v2/vfs."}},
	{"store: everything else (Pebble)", []string{"github.com/cockroachdb/"}},
	{"ledger: encoding, the committer, indexing", []string{"thresher/core/ledger"}},
	{"sandbox: the guest's code", []string{"=runtime._ExternalCode"}}, // it has no names
	{"sandbox: giving it a clone, host calls, putting it back", []string{"thresher/plugins", "github.com/tetratelabs/"}},
	{"engine: submit, wait, grant, attempt", []string{"thresher/core"}},
	{"HTTP: reading, routing, decoding, encoding, writing", []string{"thresher/server", "github.com/gofiber/", "github.com/valyala/", "github.com/danielgtaylor/", "net."}},
	{"all else", []string{""}},
}

// profileFolder is where CPU profiles are written; none are without it.
var profileFolder string

// profiles collects CPU profiles of a server while it is measured.
type profiles struct {
	address string // of the server's profiles
	file    string // that is being collected
	done    chan error
}

// flags returns those of `thresher serve`.
func (p *profiles) flags() []string {
	if profileFolder == "" {
		return nil
	}
	address, err := freeAddress()
	if err != nil {
		return nil
	}
	p.address = address
	return []string{"--pprof", address}
}

func (p *profiles) begin(ctx context.Context, clients int, length time.Duration) {
	if p == nil || p.address == "" {
		return
	}
	p.file, p.done = filepath.Join(profileFolder, fmt.Sprintf("%d-clients.pprof", clients)), make(chan error, 1)
	go func() { p.done <- fetchProfile(ctx, p.address, p.file, length) }()
}

// end prints the CPU time of a job by part.
func (p *profiles) end(jobs int) error {
	if p == nil || p.address == "" {
		return nil
	}
	if err := <-p.done; err != nil {
		return err
	}
	return printParts(p.file, jobs)
}

func fetchProfile(ctx context.Context, address, name string, length time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", address, int(length.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}

func printParts(name string, jobs int) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return err
	}
	took := make([]int64, len(spent))
	for _, s := range p.Sample {
		took[partOf(s)] += s.Value[1] // nanoseconds
	}
	for i, part := range spent {
		fmt.Printf("    %-58s %6.1f µs a job\n", part.name, float64(took[i])/1000/float64(jobs))
	}
	return nil
}

// partOf finds the part that a sample belongs to.
func partOf(s *profile.Sample) int {
	for _, at := range s.Location {
		for i, part := range spent[:len(spent)-1] {
			for _, line := range at.Line {
				if begins(line.Function.Name, part.frames) {
					return i
				}
			}
		}
	}
	return len(spent) - 1
}

func begins(name string, frames []string) bool {
	for _, f := range frames {
		if exact, ok := strings.CutPrefix(f, "="); ok && name == exact || !ok && strings.HasPrefix(name, f) {
			return true
		}
	}
	return false
}
