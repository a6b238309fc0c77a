package builtin_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/limit"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
)

// Every routine that ships, every example, and every attack that does not end by a limit of
// time comes out the same each time, byte for byte: results, tables, files, log, progress,
// errors, gas and memory. The load varies meanwhile; from engine to engine so do the length
// of a slice of gas and the number of jobs that run at once.
func TestJobsComeOutTheSameWhateverTheLoad(t *testing.T) {
	t.Parallel()
	runs, every := 20, 1
	if testing.Short() {
		runs, every = 2, 8
	}
	var want []string
	for n := range runs {
		slice := []time.Duration{1, sandbox.Slice, time.Second}[n%3]
		w := newRepeated(t, slice, 1+n%4)
		got := w.all(every)
		w.close()
		if want == nil {
			want = got
		}
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], got[i], "run %d", n)
		}
	}
}

// repeated is an engine with load beside it.
type repeated struct {
	*testing.T
	host   *sandbox.Host
	engine *core.Engine
	calm   context.CancelFunc
	noise  chan struct{}
}

func newRepeated(t *testing.T, slice time.Duration, slots int) *repeated {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	h, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log, Slice: slice})
	require.NoError(t, err)
	limits := core.DefaultLimits()
	limits.Slots, limits.Retention = slots, map[string]core.Retention{limit.Any: {Count: 10_000}}
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Limits: limits, Log: log}, h)
	require.NoError(t, err)
	w := &repeated{T: t, host: h, engine: e, noise: make(chan struct{})}
	var busy context.Context
	busy, w.calm = context.WithCancel(t.Context())
	go w.load(busy)
	return w
}

// load keeps a thread busy, for a while and then not.
func (w *repeated) load(ctx context.Context) {
	defer close(w.noise)
	block := make([]byte, 1<<16)
	for n := 1; ctx.Err() == nil; n++ {
		for range n % 50 {
			sha256.Sum256(block)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(n%7) * time.Millisecond):
		}
	}
}

func (w *repeated) close() {
	w.calm()
	<-w.noise
	require.NoError(w, w.engine.Close(context.Background()))
	require.NoError(w, w.host.Close(context.Background()))
}

// all runs all examples, and every so many attacks, and returns what came of each.
func (w *repeated) all(every int) []string {
	outcomes, ids := w.examples()
	for _, id := range append(ids, w.attacks(every)...) {
		outcomes = append(outcomes, w.outcome(id))
	}
	return outcomes
}

// examples runs the examples of importers, and submits those of all other routines.
func (w *repeated) examples() (outcomes, ids []string) {
	shipped := guesttest.Builtins(w.T)
	shipped["example"] = guesttest.Build(w.T, "thresher/plugins/sdk/go/example")
	for _, name := range slices.Sorted(maps.Keys(shipped)) {
		p, err := w.host.Load(w.Context(), shipped[name], false)
		require.NoError(w, err)
		for _, r := range p.Routines {
			for _, x := range examplesOf(r) {
				if r.Kind == routine.Importer {
					outcomes = append(outcomes, w.imports(p, r, x))
				} else {
					ids = append(ids, w.submit(p, r, x))
				}
			}
		}
	}
	return outcomes, ids
}

// attacks submits every so many attacks, and all that end by the limit of the stack.
func (w *repeated) attacks(every int) (ids []string) {
	for i, a := range hostile.Attacks() {
		if a.Refused || a.Code == "cpu_limit" || a.Code == "wall_limit" || i%every > 0 && a.Code != "stack_limit" {
			continue
		}
		p, err := w.host.Load(w.Context(), a.Wasm, false)
		require.NoError(w, err, a.Name)
		j, err := w.engine.Submit(w.Context(), core.Request{Routine: p.Name + "/attack", Cache: "off", Seed: new(uint64), Limits: new(a.Budget())})
		require.NoError(w, err, a.Name)
		ids = append(ids, j.ID)
	}
	return ids
}

// examplesOf are a routine's examples; of one that has none, a run with its defaults on
// steps of a simulation.
func examplesOf(r routine.Routine) []routine.Example {
	if len(r.Examples) > 0 {
		return r.Examples
	}
	x := routine.Example{Name: "defaults", Inputs: map[string]string{}}
	var steps strings.Builder
	steps.WriteString("step,total_agents,system_agents,births,deaths,x\n")
	for n := range 500 {
		fmt.Fprintf(&steps, "%d,%d,%d,%d,%d,%g\n", n, 90+n%17, 40+n%13, n%5, n%7, float64(n*n%101)/7)
	}
	for _, in := range r.Inputs {
		x.Inputs[in.Name] = steps.String()
	}
	return []routine.Example{x}
}

// submit submits an example, whose tables become datasets.
func (w *repeated) submit(p core.Plugin, r routine.Routine, x routine.Example) (id string) {
	inputs := map[string]string{}
	for name, csv := range x.Inputs {
		d := fmt.Sprintf("%x", sha256.Sum256([]byte(csv)))[:20]
		_, err := w.engine.PutDataset(w.Context(), d, table.CSV, strings.NewReader(csv), nil)
		require.NoError(w, err)
		inputs[name] = d
	}
	j, err := w.engine.Submit(w.Context(), core.Request{Routine: p.Name + "/" + r.Name, Params: x.Params, Inputs: inputs, Seed: &x.Seed, Cache: "off"})
	require.NoError(w, err)
	return j.ID
}

// imports imports an example's file, and says what tables that gave.
func (w *repeated) imports(p core.Plugin, r routine.Routine, x routine.Example) string {
	how := core.Importing{Request: core.Request{Routine: p.Name + "/" + r.Name, Params: x.Params, Seed: &x.Seed, Cache: "off"}, Limit: 1 << 20}
	d, err := w.engine.ImportDataset(w.Context(), "imported", how, strings.NewReader(x.File))
	text, encoded := json.Marshal(d.Tables)
	require.NoError(w, encoded)
	return fmt.Sprint(p.Name, "/", r.Name, " ", x.Name, ": ", string(text), withoutJob(err))
}

// withoutJob is an error's text without the id of the job.
func withoutJob(err error) string {
	var failed *core.ImportFailed
	if errors.As(err, &failed) {
		return fmt.Sprint(failed.Err)
	}
	return fmt.Sprint(err)
}

// outcome is what came of a job, but for what it took of time.
func (w *repeated) outcome(id string) string {
	j, err := w.engine.Wait(w.Context(), id)
	require.NoError(w, err)
	require.NotNil(w, j.Outcome, j.Spec.Routine)
	o := *j.Outcome
	o.Usage.WallSeconds, o.Usage.CPUSeconds = 0, 0
	text, err := json.Marshal(o)
	require.NoError(w, err)
	return fmt.Sprintf("%s %s: %s", j.Spec.Routine, j.Phase, text)
}
