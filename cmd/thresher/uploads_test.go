package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
)

var uploadKills = flag.Int("upload-kills", 100, "how often the server is killed while plugins are uploaded; at most once with -short")

// pushes is what is uploaded, and what clients were told of it, which must hold after
// every crash.
type pushes struct {
	modules map[string][]byte // by digest: two for each version, of which one can win
	results map[string]string // of each

	mu       sync.Mutex
	known    map[string]bool   // digests whose upload was acknowledged
	versions map[string]string // version → digest, as it was shown once
	active   map[string]bool   // versions that may be active; nil: any
	jobs     int
}

func newPushes(versions int) *pushes {
	p := &pushes{modules: map[string][]byte{}, results: map[string]string{}, known: map[string]bool{}, versions: map[string]string{}}
	for n := range versions {
		for _, salt := range []string{"first", "second"} {
			plugin := registrytest.Plugin{Version: fmt.Sprintf("1.%d.0", n), Salt: salt}
			wasm := plugin.Wasm()
			sum := sha256.Sum256(wasm)
			digest := hex.EncodeToString(sum[:])
			p.modules[digest], p.results[digest] = wasm, plugin.Result()
		}
	}
	return p
}

func (p *pushes) do(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

// load uploads everything, many times and all at once, and activates, rolls back and
// runs what is there, until the server is gone or all is done.
func (p *pushes) load(ctx context.Context, c *client.Client, uploads int) *sync.WaitGroup {
	var all sync.WaitGroup
	for digest, wasm := range p.modules {
		for range uploads / len(p.modules) {
			all.Go(func() { p.upload(ctx, c, digest, wasm) })
		}
	}
	all.Go(func() {
		for p.activate(ctx, c) == nil {
		}
	})
	for range 4 {
		all.Go(func() {
			for {
				j, err := c.Submit(ctx, core.Request{Routine: p.routine(), Cache: "off"}, 10*time.Second)
				if !told(err) {
					return
				}
				if err == nil && j.Phase == job.Completed {
					p.do(func() { p.jobs++ })
				}
			}
		})
	}
	return &all
}

// told reports whether the server answered, be it with a refusal.
func told(err error) bool {
	_, refused := err.(*client.Problem)
	return err == nil || refused
}

func (p *pushes) upload(ctx context.Context, c *client.Client, digest string, wasm []byte) {
	var v registry.View
	if c.Send(ctx, "POST", "/api/v1/plugins?activate=false", "application/wasm", bytes.NewReader(wasm), &v) == nil {
		p.do(func() { p.known[digest] = true })
	}
}

// routine is one of a random version, or of the one that is active.
func (p *pushes) routine() string {
	if rand.N(2) == 0 {
		return "probe/run"
	}
	return fmt.Sprintf("probe@1.%d.0/run", rand.N(len(p.modules)/2))
}

// activate activates a version, or rolls back, and returns an error once nobody
// answers.
func (p *pushes) activate(ctx context.Context, c *client.Client) error {
	var l registry.Listed
	var err error
	if rand.N(3) == 0 {
		p.do(func() { p.active = nil })
		err = c.Post(ctx, "/api/v1/plugins/probe/rollback", nil, &l)
	} else {
		version := fmt.Sprintf("1.%d.0", rand.N(len(p.modules)/2))
		p.do(func() {
			if p.active != nil {
				p.active[version] = true
			}
		})
		err = c.Put(ctx, "/api/v1/plugins/probe/active", map[string]string{"version": version}, &l)
	}
	if err == nil {
		p.do(func() { p.active = map[string]bool{l.Active: true} })
	}
	if told(err) {
		return nil
	}
	return err
}

// losses is what a server that was started again no longer knows, or tells otherwise.
func (p *pushes) losses(t *testing.T, c *client.Client) (lost []string) {
	ctx := t.Context()
	note := func(format string, args ...any) { lost = append(lost, fmt.Sprintf(format, args...)) }
	for digest := range p.known {
		if err := c.Get(ctx, "/api/v1/modules/"+digest, nil); err != nil {
			note("the upload %s: %v", digest, err)
		}
	}
	var l registry.Listed
	if err := c.Get(ctx, "/api/v1/plugins/probe", &l); err != nil && len(p.versions) > 0 {
		note("the plugin: %v", err)
	}
	shown := map[string]string{}
	for _, v := range l.Versions {
		shown[v.Version.Version] = v.Digest
		if before, ok := p.versions[v.Version.Version]; ok && before != v.Digest {
			note("version %s was %s and is %s", v.Version.Version, before, v.Digest)
		}
	}
	for version, digest := range p.versions {
		if shown[version] != digest {
			note("version %s of %s is gone", version, digest)
		}
	}
	p.versions = shown
	if p.active != nil && !p.active[l.Active] {
		note("%s is active: want one of %v", l.Active, p.active)
	}
	return append(lost, p.wrongJobs(t, c)...)
}

// wrongJobs lists the jobs whose result is not that of the module that their record
// names.
func (p *pushes) wrongJobs(t *testing.T, c *client.Client) (wrong []string) {
	q := url.Values{"limit": {"1000"}, "plugin": {"probe"}}
	for {
		page, err := c.Jobs(t.Context(), q)
		require.NoError(t, err)
		for _, j := range page.Jobs {
			var got bytes.Buffer
			switch {
			case j.Phase == job.Failed && j.Outcome.Error.Code != "lost":
				wrong = append(wrong, fmt.Sprintf("job %s failed: %v", j.ID, j.Outcome.Error))
			case j.Phase == job.Completed && (json.Compact(&got, j.Outcome.Result) != nil || got.String() != p.results[j.Spec.Digest]):
				wrong = append(wrong, fmt.Sprintf("job %s: %s %s gave %s", j.ID, j.Spec.Version, j.Spec.Digest, j.Outcome.Result))
			case p.versions[j.Spec.Version] != j.Spec.Digest:
				wrong = append(wrong, fmt.Sprintf("job %s: %s is %s, not %s", j.ID, j.Spec.Version, p.versions[j.Spec.Version], j.Spec.Digest))
			}
		}
		if page.Next == "" {
			return wrong
		}
		q.Set("cursor", page.Next)
	}
}

// 200 uploads at once of 20 versions, each with two contents that contend for it;
// activations and rollbacks; jobs all the time; and kill -9 in the middle of it, again
// and again. What was acknowledged is there, a version never changes, and every job
// ran what its record names.
func TestUploadsSurviveKill9(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), t.TempDir()
	kills := *uploadKills
	if testing.Short() {
		kills = min(kills, 1)
	}
	p := newPushes(20)
	for round := range kills {
		server := startProgram(t, data, plugins)
		require.Empty(t, p.losses(t, server.client), "after %d kills", round)
		require.NoError(t, audit(t, server))
		ended := p.load(t.Context(), server.client, 200)
		kill := time.AfterFunc(rand.N(1500*time.Millisecond)+50*time.Millisecond, func() { _ = server.cmd.Process.Kill() })
		ended.Wait()
		kill.Stop()
		server.kill()
	}
	server := startProgram(t, data, plugins)
	for digest, wasm := range p.modules {
		p.upload(t.Context(), server.client, digest, wasm)
	}
	ready := 0
	for digest := range p.modules {
		var v registry.View
		for v.State != "ready" && v.State != "rejected" {
			require.NoError(t, server.client.Get(t.Context(), "/api/v1/modules/"+digest+"?wait=30s", &v))
		}
		if v.State == "ready" {
			ready++
			j, err := server.client.Submit(t.Context(), core.Request{Routine: "probe@" + v.Version + "/run", Cache: "off"}, time.Minute)
			require.NoError(t, err)
			require.Equal(t, job.Completed, j.Phase)
		} else {
			assert.True(t, slices.Contains([]string{"version_taken", "verification_failed"}, v.Report.Refusal.Code), v.Report.Refusal)
		}
	}
	assert.Equal(t, 20, ready, "each version has one of its two contents")
	require.Empty(t, p.losses(t, server.client))
	require.NoError(t, audit(t, server))
	t.Logf("%d kills, %d uploads at once, %d jobs seen to complete", kills, 200, p.jobs)
}
