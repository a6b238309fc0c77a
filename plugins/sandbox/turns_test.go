package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	"thresher/core/job"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// inLine is a guest that takes turn after turn.
type inLine struct {
	share
	waits *waiter // nil: it has its turn
}

func (g *inLine) hasTurn() bool {
	if g.waits != nil {
		select {
		case <-g.waits.granted:
			g.waits = nil
		default:
			return false
		}
	}
	return true
}

// However many jobs run, and however many modules other tenants upload, whoever waits for
// a turn to prepare a module has it after a number of other turns that grows with the
// number of those tenants only.
func TestAnUploadWaitsForFewTurns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cores, jobs := rapid.IntRange(1, 4).Draw(t, "cores"), rapid.IntRange(0, 30).Draw(t, "jobs")
		others := rapid.SliceOfN(rapid.IntRange(1, 4), 0, 5).Draw(t, "modules of each other tenant")
		l := line{free: cores, tags: map[string]uint64{}}
		var all []*inLine
		add := func(s share) { all = append(all, &inLine{share: s, waits: l.join(s)}) }
		for range jobs {
			add(share{})
		}
		for i, modules := range others {
			for range modules {
				add(share{prepares: true, tenant: fmt.Sprint("other", i)})
			}
		}
		add(share{prepares: true, tenant: "honest"})
		honest := all[len(all)-1]
		waited := 0 // turns that others were given since it got in line
		for range 500 {
			var having []*inLine
			for _, g := range all {
				if g.hasTurn() {
					having = append(having, g)
				}
			}
			require.Len(t, having, min(cores, len(all)), "as many go on as there are cores")
			if honest.waits == nil {
				waited = 0
			} else {
				waited++
			}
			require.LessOrEqual(t, waited, 4*len(others)+4)
			g := rapid.SampledFrom(having).Draw(t, "whose slice ends")
			l.next()
			g.waits = l.join(g.share)
		}
	})
}

// Half of all turns are for jobs. Of the others each tenant has the same number, whatever the
// number of its modules.
func TestTurnsAreShared(t *testing.T) {
	t.Parallel()
	l := line{free: 1, tags: map[string]uint64{}}
	var all []*inLine
	for _, s := range []share{
		{}, {}, {}, {prepares: true, tenant: "a"}, {prepares: true, tenant: "a"}, {prepares: true, tenant: "a"}, {prepares: true, tenant: "b"},
	} {
		all = append(all, &inLine{share: s, waits: l.join(s)})
	}
	turns := map[share]int{}
	for range 400 {
		for _, g := range all {
			if g.hasTurn() {
				turns[g.share]++
				l.next()
				g.waits = l.join(g.share)
				break
			}
		}
	}
	assert.InDelta(t, 200, turns[share{}], 4)
	assert.InDelta(t, 100, turns[share{prepares: true, tenant: "a"}], 4)
	assert.InDelta(t, 100, turns[share{prepares: true, tenant: "b"}], 4)
}

// Waiting for a turn ends with its context, and takes no turn from anyone.
func TestWaitingForATurnEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]share{"of_a_job": {}, "of_an_upload": {prepares: true, tenant: "t"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turn := newTurns(1)
			require.NoError(t, turn.begin(t.Context(), s))
			why := errors.New("the reason")
			ctx, cancel := context.WithCancelCause(t.Context())
			waited := make(chan error, 1)
			go func() { waited <- turn.begin(ctx, s) }()
			cancel(why)
			require.Equal(t, why, <-waited)
			turn.end()
			require.NoError(t, turn.begin(t.Context(), s), "the turn is there")
		})
	}
}

// A guest that has been stopped while it waited for its turn does not wait until others
// have ended: not for the first turn, nor for a later one, nor to go on after a pause.
func TestAGuestIsStoppedWhileItWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	why := errors.New("stopped")
	for name, taken := range map[string]int64{"at_first": 0, "after_a_tick": 2, "after_a_pause": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, loaded := prepared(t, hostile.Module{Run: hostile.LoopForever})
			h.turns = newTurns(1)
			ctx, cancel := context.WithCancelCause(t.Context())
			if taken == 0 {
				require.NoError(t, h.turns.begin(t.Context(), share{}))
				cancel(why)
			}
			var other sync.WaitGroup
			g := &gatekeeper{ask: func(_ context.Context, n int64) error {
				if n == taken { // the guest has no turn while its gate is asked: another takes it, and keeps it
					other.Go(func() {
						assert.NoError(t, h.turns.begin(t.Context(), share{}))
						cancel(why)
					})
					other.Wait()
				}
				return nil
			}}
			_, err := h.attack(ctx, loaded, g, job.Limits{})
			assert.Equal(t, why, err)
		})
	}
}

// Jobs that never end delay an upload by as many slices as its module takes itself, and a
// few more, even on one core: however many jobs there are.
func TestHostileJobsDelayAnUploadByFewSlices(t *testing.T) {
	t.Parallel()
	h, endless := prepared(t, hostile.Module{Run: hostile.LoopForever})
	h.turns = newTurns(1)
	counting, err := h.compile(t.Context(), countsTo(20_000_000), "counting", &Report{})
	require.NoError(t, err)
	defer func() { assert.NoError(t, h.unload(context.Background(), counting)) }()
	ctx, cancel := context.WithCancel(t.Context())
	var jobs sync.WaitGroup
	const hostiles = 6
	all, started := &sliceCount{}, make(chan struct{}, hostiles)
	for range hostiles {
		jobs.Go(func() {
			_, err := h.attack(ctx, endless, &sliceCount{all: all, first: sync.OnceFunc(func() { started <- struct{}{} })}, job.Limits{})
			assert.ErrorIs(t, err, context.Canceled)
		})
	}
	defer jobs.Wait()
	defer cancel()
	for range hostiles {
		<-started
	}

	honest := &sliceCount{}
	k := newCall(work.Call{Host: honest, Limits: job.Limits{MemoryBytes: 1 << 20}})
	require.NoError(t, h.with(WithTenant(t.Context(), "honest"), counting, k, func(ctx context.Context, guest api.Module) error {
		before := all.n.Load()
		err := run(ctx, guest, abi.ExportRun, 0)
		assert.Greater(t, honest.n.Load(), int64(4), "it took several slices")
		assert.LessOrEqual(t, all.n.Load()-before, honest.n.Load()+1)
		return err
	}))
}

// A module is not refused because it had to wait: what it may take is CPU time.
func TestWaitingIsNotHeldAgainstAModule(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{DescribeTime: 1, Cores: 1}) // a nanosecond: it is counted from tick to tick
	require.NoError(t, err)
	defer func() { assert.NoError(t, h.Close(context.Background())) }()
	manifest := strings.Replace(hostile.Manifest("analysis"), `"params"`, `"examples":[{"name":"one","result":1,"error":""}],"params"`, 1)
	wasm := hostile.Module{
		Manifest: manifest, Imports: []hostile.Function{imported(abi.Module, "result_write", hostFunctions["result_write"])},
		Run: hostile.Code(hostile.Store(0, '1'), hostile.I32Const(0), hostile.I32Const(1), hostile.Call(0), hostile.I32Const(0)),
	}.Encode()
	r, err := h.Check(t.Context(), wasm, nil)
	require.NoError(t, err)
	assert.True(t, r.Accepted, "%+v", r.Refusal)
	assert.Len(t, r.Examples, 1)
}

// sliceCount is a Host that counts how often its guest goes on: its gate is always open.
type sliceCount struct {
	mute
	n     atomic.Int64
	all   *sliceCount // counts those of several guests
	first func()
}

func (s *sliceCount) Held() bool {
	s.n.Add(1)
	if s.all != nil {
		s.all.n.Add(1)
		s.first()
	}
	return false
}

// countsTo is a module whose routine counts to n and completes.
func countsTo(n int32) []byte {
	return hostile.Module{Run: hostile.Code([]byte{0x03, 0x40}, hostile.LocalGet0, hostile.I32Const(1), []byte{0x6a, 0x22, 0},
		hostile.I32Const(n), []byte{0x48, 0x0d, 0, 0x0b}, hostile.I32Const(0))}.Encode()
}
