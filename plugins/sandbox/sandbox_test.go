package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
	"thresher/plugins/builtin/guesttest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == compilerArgument {
		os.Exit(asCompiler(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// recorder is a Host that keeps what a guest puts out, within a limit.
type recorder struct {
	dir       string
	log       bytes.Buffer
	tables    map[string]*table.Writer
	artifacts []string
	left      int64 // bytes of output
	calls     int
	onCall    func(n int) error
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{dir: t.TempDir(), tables: map[string]*table.Writer{}, left: 8 << 20}
	t.Cleanup(func() {
		for _, w := range r.tables {
			assert.NoError(t, w.Close())
		}
	})
	return r
}

func (r *recorder) Gate(ctx context.Context) error {
	r.calls++
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.onCall != nil {
		return r.onCall(r.calls)
	}
	return nil
}

func (r *recorder) Progress(float64, string) {}

func (r *recorder) Log(p []byte) {
	if r.log.Len() < 1<<20 {
		r.log.Write(p)
	}
}

func (r *recorder) spend(n int) error {
	if r.left -= int64(n); r.left < 0 {
		return &job.Error{Code: "output_limit", Title: "too much"}
	}
	return nil
}

func (r *recorder) Append(name string, rows arrow.RecordBatch) (err error) {
	if r.tables[name] == nil {
		if r.tables[name], err = table.Create(r.dir, rows.Schema()); err != nil {
			return err
		}
	}
	if err := r.tables[name].Append(rows); err != nil {
		return err
	}
	return r.spend(int(rows.NumRows()) * 1000)
}

func (r *recorder) Artifact(_ context.Context, name, _ string, content work.Content) error {
	r.artifacts = append(r.artifacts, name)
	return r.spend(int(content.Size()))
}

var shared struct {
	sync.Once
	host   *Host
	digest string
	err    error
}

// loadGuest returns a host with the hostile plugin, shared by the tests: each call
// has an instance of its own.
func loadGuest(t *testing.T) (*Host, string) {
	t.Helper()
	wasm := guesttest.Build(t, "thresher/plugins/hostile/guest")
	shared.Do(func() {
		ctx := context.Background()
		if shared.host, shared.err = New(ctx, Config{CacheDir: guesttest.CacheDir(t)}); shared.err != nil {
			return
		}
		p, err := shared.host.Load(ctx, wasm, false)
		shared.digest, shared.err = p.Digest, err
	})
	require.NoError(t, shared.err)
	return shared.host, shared.digest
}

func attack(t *testing.T, ctx context.Context, name string, r *recorder) (work.Report, error) {
	t.Helper()
	h, digest := loadGuest(t)
	kind := routine.Analysis
	if name == "endless" {
		kind = routine.Simulation
	}
	return h.Run(ctx, work.Call{
		Job: "J", Digest: digest, Routine: name, Kind: kind, Params: json.RawMessage(`{}`), Seed: 7, Host: r,
		Limits: job.Limits{MemoryBytes: 64 << 20, WallSeconds: 60, OutputBytes: 8 << 20, LogBytes: 1 << 20},
	})
}

func TestAttacksEndTheirJobWithAReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ code, says string }{
		"allocate":  {"memory_limit", "limit 67108864"},
		"recurse":   {"stack_limit", "limit 8388608"},
		"panic":     {"guest_trap", "unreachable"},
		"exit":      {"guest_exit", "code 0"},
		"error":     {"guest_error", "I am an error"},
		"artifacts": {"output_limit", ""},
		"rows":      {"output_limit", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(t)
			report, err := attack(t, t.Context(), name, r)
			var failed *job.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, c.code, failed.Code, failed)
			assert.Contains(t, failed.Detail, c.says)
			assert.LessOrEqual(t, report.PeakMemoryBytes, int64(64<<20))
			assert.Nil(t, report.Result)
		})
	}
}

func TestAGuestThatWillNotEndIsEnded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"loop", "print", "endless"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			why := errors.New("somebody stopped it")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer time.AfterFunc(200*time.Millisecond, func() { cancel(why) }).Stop()
			r := newRecorder(t)
			r.left = 1 << 40
			_, err := attack(t, ctx, name, r)
			assert.ErrorIs(t, err, why)
		})
	}
}

func TestAStopAtAHostCallIsObeyed(t *testing.T) {
	t.Parallel()
	why := errors.New("stop here")
	r := newRecorder(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r.onCall = func(n int) error {
		if n == 50 {
			cancel(why)
			return why
		}
		return nil
	}
	_, err := attack(t, ctx, "print", r)
	assert.ErrorIs(t, err, why)
	assert.Equal(t, 50, r.calls, "the guest did not get to another host call")
}

func TestACrashShowsTheGuestsFrames(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	_, err := attack(t, t.Context(), "panic", r)
	var failed *job.Error
	require.ErrorAs(t, err, &failed)
	assert.Contains(t, strings.Join(failed.Stack, "\n"), "main.init.0.func", "frames have names")
	assert.Contains(t, r.log.String(), "panic: I panic")
}

func TestAGuestSeesNothingOfTheWorld(t *testing.T) {
	t.Parallel()
	report, err := attack(t, t.Context(), "look_around", newRecorder(t))
	require.NoError(t, err)
	assert.JSONEq(t, `[]`, string(report.Result))
}

func TestSleepingTakesNoTimeAndMovesTheClock(t *testing.T) {
	t.Parallel()
	report, err := attack(t, t.Context(), "sleep", newRecorder(t))
	require.NoError(t, err)
	assert.JSONEq(t, `true`, string(report.Result))
}

func TestTimeAndChanceFollowFromTheSeed(t *testing.T) {
	t.Parallel()
	first, err := attack(t, t.Context(), "whoami", newRecorder(t))
	require.NoError(t, err)
	second, err := attack(t, t.Context(), "whoami", newRecorder(t))
	require.NoError(t, err)
	assert.Equal(t, string(first.Result), string(second.Result))
}

func TestEveryCallStartsFromNothing(t *testing.T) {
	t.Parallel()
	for range 3 {
		report, err := attack(t, t.Context(), "poke", newRecorder(t))
		require.NoError(t, err)
		assert.JSONEq(t, `1`, string(report.Result))
	}
	report, err := attack(t, t.Context(), "peek", newRecorder(t))
	require.NoError(t, err)
	assert.JSONEq(t, `0`, string(report.Result))
}

func TestOneHostRunsManyGuestsAtOnce(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			name := []string{"nothing", "error", "panic", "whoami"}[i%4]
			_, err := attack(t, t.Context(), name, newRecorder(t))
			assert.Equal(t, name == "error" || name == "panic", err != nil, "%s: %v", name, err)
		})
	}
	all.Wait()
}

func TestWhatIsNoPluginIsRefusedByName(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	defer h.Close(t.Context())
	for name, c := range map[string]struct {
		wasm string
		code string
	}{
		"empty":          {"", "not_wasm"},
		"text":           {"hello", "not_wasm"},
		"component":      {"\x00asm\x0d\x00\x01\x00", "component_binary"},
		"cut_short":      {"\x00asm\x01\x00\x00\x00\x01\x05", "invalid_module"},
		"nothing_in_it":  {"\x00asm\x01\x00\x00\x00", "abi_unknown"},
		"unknown_import": {"\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x02\x09\x01\x03env\x01f\x00\x00", "import_unknown"},
		"no_describe":    {"\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x01\x07\x0a\x01\x06memory\x02\x00", "abi_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Load(t.Context(), []byte(c.wasm), false)
			var refused *Refusal
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, c.code, refused.Code, refused)
		})
	}
}

func TestLoadingTheSameBytesTwiceIsOnePlugin(t *testing.T) {
	t.Parallel()
	h, digest := loadGuest(t)
	p, err := h.Load(t.Context(), guesttest.Build(t, "thresher/plugins/hostile/guest"), false)
	require.NoError(t, err)
	assert.Equal(t, digest, p.Digest)
	assert.Len(t, h.List(), 1)
}

// A guest that no runtime can end must not be possible: there is one place that
// makes runtimes. Tests and benchmarks may have others, that run modules untouched.
func TestRuntimesAreMadeInOnePlace(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "-C", "../..", "grep", "-l", "-e", "wazero"+".NewRuntime", "--", "*.go", ":!*_test.go", ":!/bench").Output()
	if err != nil {
		t.Skip("not a git checkout: ", err)
	}
	assert.Equal(t, "plugins/sandbox/runtime.go\n", string(out))
}

// What encoding/json makes of the types of a call is in the image: a job that made it
// anew would take four times the gas.
func TestAnEmptyRoutineMakesNothingThatTheImageCanHave(t *testing.T) {
	t.Parallel()
	report, err := attack(t, t.Context(), "nothing", newRecorder(t))
	require.NoError(t, err)
	assert.Less(t, report.Gas, int64(6_000_000))
}

func BenchmarkEmptyRoutine(b *testing.B) {
	h, err := New(b.Context(), Config{CacheDir: guesttest.CacheDir(b)})
	require.NoError(b, err)
	defer h.Close(context.Background())
	p, err := h.Load(b.Context(), guesttest.Build(b, "thresher/plugins/hostile/guest"), false)
	require.NoError(b, err)
	call := work.Call{
		Digest: p.Digest, Routine: "nothing", Kind: routine.Analysis, Params: json.RawMessage(`{}`), Host: mute{},
		Limits: job.Limits{MemoryBytes: 64 << 20, OutputBytes: 1 << 20},
	}
	for b.Loop() {
		_, err := h.Run(b.Context(), call)
		require.NoError(b, err)
	}
}
