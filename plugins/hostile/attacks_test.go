package hostile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"thresher/core"
	"thresher/core/limit"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// honest is the plugin whose jobs run beside the attacks.
const honest = "thresher/plugins/hostile/guest"

// world is a real engine with a real sandbox.
type world struct {
	host   *sandbox.Host
	engine *core.Engine
}

func newWorld(t *testing.T, slots int) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	h, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: guesttest.CacheDir(t), Log: log, DescribeTime: 2 * time.Second, Clones: 64})
	require.NoError(t, err)
	_, err = h.Load(t.Context(), guesttest.Build(t, honest), false)
	require.NoError(t, err)
	limits := core.Limits{Slots: slots, MemoryBytes: 8 << 30, Retention: map[string]core.Retention{limit.Any: {Count: 100}}}
	e, err := core.Open(t.Context(), core.Config{Dir: t.TempDir(), Limits: limits, Log: log}, h)
	require.NoError(t, err)
	t.Cleanup(func() {
		audit, err := e.Audit(context.Background())
		assert.NoError(t, err)
		assert.True(t, audit.Consistent, audit.Breaches)
		assert.NoError(t, e.Close(context.Background()))
		assert.NoError(t, h.Close(context.Background()))
	})
	return &world{h, e}
}

// run submits a job and waits for its end.
func (w *world) run(ctx context.Context, req core.Request) (core.Job, error) {
	req.Cache = "off"
	j, err := w.engine.Submit(ctx, req)
	if err != nil {
		return j, err
	}
	return w.engine.Wait(ctx, j.ID)
}

// honestJob runs a job whose answer is known.
func (w *world) honestJob(ctx context.Context, seed uint64) error {
	j, err := w.run(ctx, core.Request{Routine: "hostile/work", Params: json.RawMessage(fmt.Sprintf(`{"n":%d}`, 1000+seed)), Seed: &seed})
	if err != nil {
		return err
	}
	n := 1000 + seed
	if want := fmt.Sprintf(`{"seed":%d,"sum":%d}`, seed, n*(n-1)/2); j.Outcome.Error != nil || string(j.Outcome.Result) != want {
		return fmt.Errorf("an honest job ended with %s %v: want %s", j.Outcome.Result, j.Outcome.Error, want)
	}
	return nil
}

// beside runs honest jobs until it is told to stop, and returns how many.
func (w *world) beside(ctx context.Context, stop <-chan struct{}) (n int, err error) {
	for {
		select {
		case <-stop:
			return n, nil
		default:
		}
		if err := w.honestJob(ctx, uint64(n)); err != nil {
			return n, err
		}
		n++
	}
}

// attack does the worst, and returns how that ended. The name of its plugin is its
// own, so that all can be loaded at once.
func (w *world) attack(ctx context.Context, a hostile.Attack) (code string, err error) {
	p, err := w.host.Load(ctx, a.Wasm, false)
	var refused *sandbox.Refusal
	switch {
	case errors.As(err, &refused):
		return refused.Code, nil
	case err != nil:
		return "", err
	case a.Refused:
		return "loaded", nil
	}
	j, err := w.run(ctx, core.Request{Routine: p.Name + "/attack", Limits: new(a.Budget()), Params: a.Params})
	if err != nil && a.Params != nil {
		return core.Code(err), bounded(err)
	}
	if err != nil {
		return "", err
	}
	if used := j.Outcome.Usage; used.PeakMemoryBytes > j.Spec.Limits.MemoryBytes || used.Gas > j.Spec.Limits.Gas {
		return "", fmt.Errorf("beyond its budget: %+v of %+v", used, j.Spec.Limits)
	}
	if record, err := json.Marshal(j.Record); err != nil || len(record) > core.MaxRecord {
		return "", fmt.Errorf("a record of %d bytes: the limit is %d: %w", len(record), core.MaxRecord, err)
	}
	if j.Outcome.Error != nil {
		return j.Outcome.Error.Code, nil
	}
	return hostile.None, nil
}

// bounded returns an error if what a submit was refused with is too long.
func bounded(refused error) error {
	if n := len(refused.Error()); n > 256<<10 {
		return fmt.Errorf("a refusal of %d bytes", n)
	}
	return nil
}

// Every attack ends as it should, twice, so that the second of them has the instance
// of the first. Beside them honest jobs have their answers, and what the process
// holds after the second time is what it held after the first.
func TestEveryAttackEndsInItsErrorAndHurtsNobody(t *testing.T) {
	t.Cleanup(nothingIsLeft(t))
	w := newWorld(t, 3)
	attacks := hostile.Attacks()
	if testing.Short() {
		attacks = everyTenth(attacks)
	}
	var before holding
	for round := range 2 {
		stop := make(chan struct{})
		var others errgroup.Group
		done := 0
		others.Go(func() (err error) {
			done, err = w.beside(t.Context(), stop)
			return err
		})
		for _, a := range attacks {
			t.Run(fmt.Sprint(a.Name, "/", round), func(t *testing.T) {
				start := time.Now()
				code, err := w.attack(t.Context(), a)
				require.NoError(t, err)
				assert.Equal(t, a.Code, code)
				if took := time.Since(start); took > time.Second {
					t.Log("took", took)
				}
			})
		}
		close(stop)
		require.NoError(t, others.Wait())
		require.Positive(t, done)
		t.Log(done, "honest jobs")
		if round == 0 {
			before = held(t)
		}
	}
	held(t).mustBe(t, before)
}

// The tests that the docs name for other attacks are there.
func TestOtherAttacksHaveTheirTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/attacks.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("`(Test[A-Za-z0-9]+)` in `([a-z/]+)`").FindAllStringSubmatch(string(text), -1)
	assert.Greater(t, len(rows), 10)
	for _, row := range rows {
		files, err := filepath.Glob("../../" + row[2] + "/*_test.go")
		require.NoError(t, err)
		assert.True(t, slices.ContainsFunc(files, func(path string) bool {
			source, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(source), "func "+row[1]+"(t *testing.T)")
		}), "%s in %s", row[1], row[2])
	}
}

// everyTenth is a tenth of the attacks, of all kinds.
func everyTenth(all []hostile.Attack) (some []hostile.Attack) {
	for i := 0; i < len(all); i += 10 {
		some = append(some, all[i])
	}
	return some
}

// The list in the docs is the list that is tested.
func TestEveryAttackIsDocumented(t *testing.T) {
	t.Parallel()
	var rows strings.Builder
	for _, a := range hostile.Attacks() {
		fmt.Fprintf(&rows, "| `%s` | %s | `%s` |\n", a.Name, a.Does, a.Code)
	}
	text, err := os.ReadFile("../../docs/attacks.md")
	require.NoError(t, err)
	assert.Contains(t, string(text), rows.String(), "docs/attacks.md should have these lines")
	errors, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, a := range hostile.Attacks() {
		assert.False(t, names[a.Name], a.Name)
		names[a.Name] = true
		if a.Code != hostile.None {
			assert.Contains(t, string(errors), "`"+a.Code+"`")
		}
	}
}
