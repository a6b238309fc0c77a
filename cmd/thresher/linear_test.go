package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/linear"
)

// fire is a server that is killed under its clients again and again.
type fire struct {
	start func() *program
	slots int
	kills int
	asked int  // requests in each life
	stay  bool // nobody changes the slots
}

// run returns what is wrong with what the clients were told, or what the auditor
// found: the first such fault.
func (f fire) run(t *testing.T) (h *linear.History, err error) {
	h = linear.New(f.slots)
	h.SlotsStay = f.stay
	defer h.Close()
	serves := func() {}
	for life := range f.kills + 1 {
		p := f.start()
		serves()
		h.LookAtAll(t.Context(), p.url)
		if err = h.Check(); err != nil {
			return h, fmt.Errorf("after %d kills: %w", life, err)
		}
		if life == f.kills {
			return h, audit(t, p)
		}
		clients := f.load(t, h, p)
		if err = audit(t, p); err != nil {
			return h, err
		}
		serves = h.Killed()
		p.kill()
		clients.Wait()
	}
	return h, nil
}

// load lets clients ask until the server is killed. It returns once they have asked
// enough.
func (f fire) load(t *testing.T, h *linear.History, p *program) *sync.WaitGroup {
	var clients sync.WaitGroup
	enough := make(chan struct{})
	target := h.Asked() + f.asked
	var once sync.Once
	for n := range 16 {
		clients.Go(func() {
			for h.Client(t.Context(), p.url, n, 1) {
				if h.Asked() >= target {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { clients.Wait(); close(ended) }()
	select {
	case <-enough:
	case <-ended:
	}
	return &clients
}

// audit returns what the auditor finds. That too much is going on for it to look
// twice is no finding.
func audit(t *testing.T, p *program) error {
	var a core.Audit
	if err := p.client.Get(t.Context(), "/api/v1/audit", &a); err != nil || a.Consistent {
		return nil
	}
	return fmt.Errorf("the auditor finds %v", a.Breaches)
}

// One order of all that clients asked, in which every answer is right: also where
// the real program is killed under them and started again.
func TestAnswersAreLinearisableAcrossKill9(t *testing.T) {
	t.Parallel()
	data, plugins := t.TempDir(), pluginFolder(t)
	f := fire{
		start: func() *program { return startProgram(t, data, plugins) },
		slots: 4, kills: 8, asked: 1300,
	}
	if testing.Short() {
		f.kills, f.asked = 2, 300
	}
	h, err := f.run(t)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, h.Asked(), f.kills*f.asked)
	t.Logf("%d requests about %d jobs, %d kills", h.Asked(), len(h.Jobs()), f.kills)
}
