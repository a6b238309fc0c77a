package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/hostile"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
	"thresher/plugins/sandbox"
)

// ship is a module that everyone has.
func ship(origin registry.Origin, place string, wasm []byte) registry.Shipped {
	sum := sha256.Sum256(wasm)
	return registry.Shipped{
		Origin: origin, Place: place, Digest: hex.EncodeToString(sum[:]),
		Read: func() ([]byte, error) { return wasm, nil },
	}
}

// builtin is a plugin that ships with its manifest.
func builtin(t *testing.T, p registrytest.Plugin) registry.Shipped {
	t.Helper()
	s := ship(registry.Builtin, p.Routine(), p.Wasm())
	s.Manifest = &routine.Manifest{Name: "probe", Version: "1.0.0", Summary: p.Salt, Routines: []routine.Routine{
		{Name: "run", Kind: routine.Analysis, Title: "Probe", Params: json.RawMessage(`{"type":"object"}`)},
	}}
	return s
}

// server is a world of which a test says more.
type server struct {
	dir     string
	shipped []registry.Shipped
	compile sandbox.Compiler
	reserve int64
	loaded  []byte // a module that the host has from the beginning
}

// start opens it. The caller closes it, or the end of the test does.
func (s server) start(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	cache := guesttest.CacheDir(t)
	if s.compile != nil {
		cache = filepath.Join(s.dir, "cache")
	}
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: cache, Log: log, Compiler: s.compile})
	require.NoError(t, err)
	if s.loaded != nil {
		_, err := host.Load(ctx, s.loaded, true)
		require.NoError(t, err)
	}
	w := &world{reg: registry.New(host, registry.Config{Log: log, Shipped: s.shipped, Retry: time.Millisecond}), host: host, dir: s.dir}
	w.Engine, err = core.Open(ctx, core.Config{Dir: s.dir, Sync: ledger.SyncInterval, Log: log, Reserve: s.reserve}, w.reg)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.consistent(t)
		w.close(t)
		assert.NoError(t, host.Close(ctx))
	})
	return w
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, time.Minute, time.Millisecond, what)
}

func (w *world) submit(t *testing.T, r string) core.Job {
	t.Helper()
	j, err := w.Submit(t.Context(), core.Request{Routine: r, Cache: "off"})
	require.NoError(t, err)
	return j
}

// waitsFor waits until a job waits for something.
func (w *world) waitsFor(t *testing.T, id, on string) {
	t.Helper()
	eventually(t, id+" waits for "+on, func() bool {
		j, err := w.Job(t.Context(), id)
		return err == nil && j.Waiting != nil && j.Waiting.On == on
	})
}

// phase waits until a job is in a phase.
func (w *world) phase(t *testing.T, id string, p job.Phase) core.Job {
	t.Helper()
	var j core.Job
	eventually(t, id+" is "+string(p), func() bool {
		var err error
		j, err = w.Job(t.Context(), id)
		return err == nil && j.Phase == p
	})
	return j
}

func (w *world) blob(digest string) string {
	return filepath.Join(w.dir, "blobs", digest[:2], digest)
}

// Jobs that are queued, running, handed back or paused end with the bytes that they were
// accepted with, whatever ships next under that name and version; and when no job needs
// the old bytes they are gone.
func TestJobsKeepTheBytesThatTheyWereAcceptedWith(t *testing.T) {
	t.Parallel()
	before := registrytest.Plugin{Salt: "old", Steps: 100_000_000}
	for name, c := range map[string]struct {
		origin registry.Origin
		next   []byte // nil: nothing ships any more
	}{
		"another_program":        {registry.Builtin, registrytest.Plugin{Salt: "new"}.Wasm()},
		"a_program_without_it":   {registry.Builtin, nil},
		"another_file":           {registry.Folder, registrytest.Plugin{Salt: "new"}.Wasm()},
		"a_folder_without_it":    {registry.Folder, nil},
		"a_folder_with_a_damage": {registry.Folder, []byte("no module")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server{dir: t.TempDir(), shipped: []registry.Shipped{ship(c.origin, "probe.wasm", before.Wasm())}}
			w := s.start(t)
			l := core.DefaultLimits()
			l.Slots = 2
			require.NoError(t, w.SetLimits(t.Context(), l))
			paused, handed := w.submit(t, "probe/run"), w.submit(t, "probe/run")
			queued := []core.Job{w.submit(t, "probe/run"), w.submit(t, "probe/run"), w.submit(t, "probe/run")}
			w.phase(t, paused.ID, job.Running)
			_, err := w.Pause(t.Context(), paused.ID)
			require.NoError(t, err)
			w.phase(t, paused.ID, job.Paused)
			w.phase(t, handed.ID, job.Running)
			_, err = w.Pause(t.Context(), queued[2].ID)
			require.NoError(t, err)
			w.close(t)

			if s.shipped = nil; c.next != nil {
				s.shipped = []registry.Shipped{ship(c.origin, "probe.wasm", c.next)}
			}
			w = s.start(t)
			for _, id := range []string{paused.ID, queued[2].ID} {
				_, err = w.Resume(t.Context(), id)
				require.NoError(t, err)
			}
			for _, j := range append(queued, paused, handed) {
				j = w.phase(t, j.ID, job.Completed)
				assert.JSONEq(t, before.Result(), string(j.Outcome.Result))
			}
			again, err := w.Retry(t.Context(), handed.ID, false)
			require.NoError(t, err)
			assert.JSONEq(t, before.Result(), string(w.phase(t, again.ID, job.Completed).Outcome.Result), "a retry has them too")
			if name == "another_program" || name == "another_file" {
				assert.JSONEq(t, `{"version":"1.0.0","salt":"new"}`, string(w.run(t, "probe/run").Outcome.Result))
			} else {
				_, err = w.Submit(t.Context(), core.Request{Routine: "probe/run"})
				assert.Equal(t, "invalid", core.Code(err))
			}
			page, err := w.Jobs(t.Context(), core.Filter{})
			require.NoError(t, err)
			assert.FileExists(t, w.blob(handed.Spec.Digest))
			for _, j := range page.Jobs {
				require.NoError(t, w.Delete(t.Context(), j.ID))
			}
			w.close(t) // removals under way end
			assert.NoFileExists(t, w.blob(handed.Spec.Digest))
		})
	}
}

// Where the bytes of a module are gone, or damaged, its jobs wait and say so; they can be
// stopped, and go on when the bytes are back.
func TestJobsOfAMissingModuleWaitForIt(t *testing.T) {
	t.Parallel()
	p := registrytest.Plugin{}
	whole := p.Wasm()
	lacks := map[string]struct {
		lose func(t *testing.T, path string)
		says string
	}{
		"missing": {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, "plugin probe@1.0.0 is missing"},
		"damaged": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.WriteFile(path, append(whole[:len(whole):len(whole)], 0), 0o400))
		}, "plugin probe@1.0.0 is damaged"},
	}
	ways := map[string]func(t *testing.T, s server, w *world, path string) *world{
		"put_back": func(t *testing.T, _ server, w *world, path string) *world {
			require.NoError(t, os.WriteFile(path+".new", whole, 0o400))
			require.NoError(t, os.Rename(path+".new", path))
			return w
		},
		"uploaded_again": func(t *testing.T, _ server, w *world, path string) *world {
			_ = os.Remove(path) // what is damaged is in the way
			w.push(t, whole, active)
			return w
		},
		"shipped_again": func(t *testing.T, s server, w *world, path string) *world {
			w.close(t)
			_ = os.Remove(path) // as above
			s.shipped = []registry.Shipped{ship(registry.Folder, "probe.wasm", whole)}
			return s.start(t)
		},
	}
	for name, lack := range lacks {
		for how, back := range ways {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				s := server{dir: t.TempDir(), shipped: []registry.Shipped{ship(registry.Folder, "probe.wasm", whole)}}
				w := s.start(t)
				closed := core.Request{Routine: "probe/run", Cache: "off", Locks: []job.Lock{{Name: "closed"}}}
				l := core.DefaultLimits()
				l.Locks = map[string]int{"closed": 0}
				require.NoError(t, w.SetLimits(t.Context(), l))
				var jobs []core.Job
				for range 3 {
					j, err := w.Submit(t.Context(), closed)
					require.NoError(t, err)
					jobs = append(jobs, j)
				}
				w.close(t)
				path := w.blob(jobs[0].Spec.Digest)
				lack.lose(t, path)
				s.shipped = nil
				w = s.start(t)
				for _, j := range jobs {
					w.waitsFor(t, j.ID, lack.says)
				}
				require.Eventually(t, func() bool { return w.Ready().Compiling == nil }, time.Minute, 5*time.Millisecond, "nothing is on its way")
				_, err := w.Stop(t.Context(), jobs[0].ID)
				require.NoError(t, err)
				w.phase(t, jobs[0].ID, job.Stopped)
				_, err = w.Retry(t.Context(), jobs[0].ID, false)
				if name == "missing" {
					assert.Equal(t, "plugin_missing", core.Code(err))
				}
				l.Locks = nil
				require.NoError(t, w.SetLimits(t.Context(), l))
				w = back(t, s, w, path)
				for _, j := range jobs[1:] {
					assert.JSONEq(t, p.Result(), string(w.phase(t, j.ID, job.Completed).Outcome.Result))
				}
			})
		}
	}
}

// A job that was granted before its module turned out to be gone is pending again, and
// waits for it.
func TestAModuleThatIsGoneWhenItsJobStartsFailsNoJob(t *testing.T) {
	t.Parallel()
	p := registrytest.Plugin{}
	s := server{dir: t.TempDir(), shipped: []registry.Shipped{ship(registry.Folder, "probe.wasm", p.Wasm())}}
	w := s.start(t)
	w.run(t, "probe/run")
	w.close(t)
	s.shipped = nil
	w = s.start(t)
	page, err := w.Jobs(t.Context(), core.Filter{})
	require.NoError(t, err)
	digest := page.Jobs[0].Spec.Digest
	l := core.DefaultLimits()
	l.Locks = map[string]int{"closed": 0}
	require.NoError(t, w.SetLimits(t.Context(), l))
	require.NoError(t, w.Delete(t.Context(), w.retried(t, page.Jobs[0].ID).ID)) // its module is loaded
	w.push(t, p.Wasm(), active)
	var jobs []core.Job
	for range 3 {
		j, err := w.Submit(t.Context(), core.Request{Routine: "probe/run", Cache: "off", Locks: []job.Lock{{Name: "closed"}}})
		require.NoError(t, err)
		w.waitsFor(t, j.ID, "lock closed")
		jobs = append(jobs, j)
	}
	require.NoError(t, w.host.Unload(digest))
	require.NoError(t, os.Rename(w.blob(digest), w.blob(digest)+".away"))
	l.Locks = nil
	require.NoError(t, w.SetLimits(t.Context(), l))
	for _, j := range jobs {
		w.waitsFor(t, j.ID, "plugin probe@1.0.0 is missing")
	}
	require.NoError(t, os.Rename(w.blob(digest)+".away", w.blob(digest)))
	for _, j := range jobs {
		assert.JSONEq(t, p.Result(), string(w.phase(t, j.ID, job.Completed).Outcome.Result))
	}
}

// retried retries a job and waits for its end.
func (w *world) retried(t *testing.T, id string) core.Job {
	t.Helper()
	j, err := w.Retry(t.Context(), id, false)
	require.NoError(t, err)
	return w.phase(t, j.ID, job.Completed)
}

// A backup has the bytes of every plugin that a job in it needs. One of a program that
// kept them elsewhere is restored all the same, with those jobs waiting.
func TestABackupCarriesThePluginsOfItsJobs(t *testing.T) {
	t.Parallel()
	p := registrytest.Plugin{}
	for name, carries := range map[string]bool{"kept_in_the_ledger": true, "kept_elsewhere": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server{dir: t.TempDir(), loaded: p.Wasm()}
			if carries {
				s = server{dir: t.TempDir(), shipped: []registry.Shipped{ship(registry.Builtin, "probe", p.Wasm())}}
			}
			w := s.start(t)
			j, err := w.Submit(t.Context(), core.Request{Routine: "probe/run", Locks: []job.Lock{{Name: "closed"}}})
			require.NoError(t, err)
			paused, err := w.Pause(t.Context(), w.submit(t, "probe/run").ID)
			if err != nil { // it has ended
				paused = j
			}
			var archive bytes.Buffer
			_, err = w.Backup(t.Context(), &archive, core.Backing{})
			require.NoError(t, err)
			dir := filepath.Join(t.TempDir(), "restored")
			_, err = core.Restore(t.Context(), &archive, dir, core.Restoring{})
			require.NoError(t, err)
			w = server{dir: dir}.start(t)
			if !carries {
				w.push(t, p.Wasm(), active)
			}
			if now, err := w.Job(t.Context(), paused.ID); err == nil && now.Phase == job.Paused {
				_, err = w.Resume(t.Context(), paused.ID)
				require.NoError(t, err)
			}
			assert.JSONEq(t, p.Result(), string(w.phase(t, j.ID, job.Completed).Outcome.Result))
			w.phase(t, paused.ID, job.Completed)
		})
	}
}

// A folder with modules that cannot be served serves the others, and says which those
// are, at every start.
func TestAFolderServesWhatItCan(t *testing.T) {
	t.Parallel()
	strange := hostile.Module{Imports: []hostile.Function{{Module: "env", Name: "emit"}}}.Encode()
	good, other := registrytest.Plugin{Name: "good"}, registrytest.Plugin{Name: "other"}
	s := server{dir: t.TempDir(), shipped: []registry.Shipped{
		ship(registry.Folder, "strange.wasm", strange),
		{Origin: registry.Folder, Place: "secret.wasm", Err: errors.New("open secret.wasm: permission denied")},
		ship(registry.Folder, "good.wasm", good.Wasm()),
		ship(registry.Folder, "empty.wasm", nil),
		ship(registry.Folder, "twice.wasm", good.Wasm()),
		ship(registry.Folder, "other.wasm", other.Wasm()),
	}}
	for range 2 {
		w := s.start(t)
		assert.JSONEq(t, good.Result(), string(w.run(t, "good/run").Outcome.Result), "a request waits for what is not verified yet")
		assert.JSONEq(t, other.Result(), string(w.run(t, "other/run").Outcome.Result))
		eventually(t, "all are verified", func() bool { return w.Ready().Compiling == nil })
		list, err := w.reg.Plugins(t.Context(), core.DefaultTenant)
		require.NoError(t, err)
		assert.Len(t, list, 2)
		left := map[string]string{}
		for _, l := range w.reg.LeftOut() {
			left[l.Place] = l.Code
		}
		assert.Equal(t, map[string]string{"strange.wasm": "import_unknown", "secret.wasm": "unreadable", "empty.wasm": "not_wasm"}, left)
		v, err := w.reg.Module(t.Context(), core.DefaultTenant, s.shipped[0].Digest)
		require.NoError(t, err)
		assert.Equal(t, "rejected", v.State)
		w.close(t)
	}
}

// A module of the folder that takes long to verify keeps neither the server nor the other
// modules waiting, nor those that are uploaded meanwhile.
func TestASlowModuleOfTheFolderDelaysNoOther(t *testing.T) {
	t.Parallel()
	s := server{dir: t.TempDir()}
	for n := range 50 {
		p := registrytest.Plugin{Name: fmt.Sprintf("probe%d", n), Salt: strings.Repeat("x", n)}
		s.shipped = append(s.shipped, ship(registry.Folder, p.Name+".wasm", p.Wasm()))
	}
	var compiled atomic.Int64
	asked, goOn := make(chan struct{}), make(chan struct{})
	s.compile = func(ctx context.Context, wasm []byte, folder string) error {
		if compiled.Add(1) == 1 {
			close(asked)
			select {
			case <-goOn:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return sandbox.Compile(ctx, wasm, folder)
	}
	w := s.start(t)
	assert.True(t, w.Ready().Ready, "it takes jobs while modules are verified")
	<-asked
	v := w.push(t, registrytest.Plugin{Name: "pushed"}.Wasm(), active)
	assert.Equal(t, "ready", v.State)
	eventually(t, "all but one are verified", func() bool {
		c := w.Ready().Compiling
		return c != nil && len(c.Plugins) == 1
	})
	slow := strings.TrimSuffix(w.Ready().Compiling.Plugins[0], ".wasm")
	for n := range 50 {
		if name := fmt.Sprintf("probe%d", n); name != slow {
			require.Equal(t, job.Completed, w.run(t, name+"/run").Phase)
			break
		}
	}
	close(goOn)
	assert.Equal(t, job.Completed, w.run(t, slow+"/run").Phase)
	eventually(t, "all are verified", func() bool { return w.Ready().Compiling == nil })
}

// While plugins compile, the server lists them, checks and takes their jobs, and says how
// far it is; and it can be closed.
func TestJobsAreTakenWhileTheirPluginCompiles(t *testing.T) {
	t.Parallel()
	p := registrytest.Plugin{}
	asked, goOn := make(chan struct{}, 1), make(chan struct{})
	s := server{dir: t.TempDir(), shipped: []registry.Shipped{builtin(t, p)}}
	s.compile = func(ctx context.Context, wasm []byte, folder string) error {
		asked <- struct{}{}
		select {
		case <-goOn:
			return sandbox.Compile(ctx, wasm, folder)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	w := s.start(t)
	list, err := w.Routines(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, core.Readiness{Ready: true}, w.Ready(), "nothing is compiled that nobody has asked for")
	_, err = w.Submit(t.Context(), core.Request{Routine: "probe/run", Params: json.RawMessage(`[]`)})
	assert.Equal(t, "invalid_params", core.Code(err))
	j := w.submit(t, "probe/run")
	<-asked
	w.waitsFor(t, j.ID, "plugin probe@1.0.0 is compiling")
	want := &core.Compiling{Done: 0, Of: 1, Plugins: []string{"probe@1.0.0"}}
	assert.Equal(t, core.Readiness{Ready: true, Reason: "compiling 0 of 1", Compiling: want}, w.Ready())
	w.close(t)

	w = s.start(t)
	<-asked
	w.waitsFor(t, j.ID, "plugin probe@1.0.0 is compiling")
	close(goOn)
	assert.JSONEq(t, p.Result(), string(w.phase(t, j.ID, job.Completed).Outcome.Result))
	eventually(t, "nothing compiles", func() bool { return w.Ready().Compiling == nil })
}

// A start makes those plugins ready that kept jobs have run on, and compiles no other.
func TestAStartMakesReadyWhatWasUsed(t *testing.T) {
	t.Parallel()
	var compiled atomic.Int64
	s := server{dir: t.TempDir(), compile: func(ctx context.Context, wasm []byte, folder string) error {
		compiled.Add(1)
		return sandbox.Compile(ctx, wasm, folder)
	}}
	s.shipped = []registry.Shipped{builtin(t, registrytest.Plugin{Salt: "old"})}
	w := s.start(t)
	assert.Zero(t, compiled.Load())
	w.run(t, "probe/run")
	w.close(t)
	unused := ship(registry.Builtin, "unused", registrytest.Plugin{Name: "unused"}.Wasm())
	unused.Manifest = &routine.Manifest{Name: "unused", Version: "1.0.0"}
	s.shipped = []registry.Shipped{builtin(t, registrytest.Plugin{Salt: "another one"}), unused} // other code
	w = s.start(t)
	eventually(t, "its next version is compiled", func() bool { return compiled.Load() == 2 && w.Ready().Compiling == nil })
}

// A compiler that cannot do its work is not the module's fault: its jobs wait, and go on
// when it can.
func TestJobsWaitForACompilerThatCannotWork(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	s := server{dir: t.TempDir(), compile: func(ctx context.Context, wasm []byte, folder string) error {
		if broken.Load() {
			return errors.Join(sandbox.ErrCompiler, errors.New("killed"))
		}
		return sandbox.Compile(ctx, wasm, folder)
	}}
	s.shipped = []registry.Shipped{builtin(t, registrytest.Plugin{})}
	w := s.start(t)
	j := w.submit(t, "probe/run")
	w.waitsFor(t, j.ID, "plugin probe@1.0.0 cannot be loaded: the server's log says why")
	broken.Store(false)
	w.phase(t, j.ID, job.Completed)
}

// A server whose disk is full lists its plugins, says that it takes no jobs, and why.
func TestAFullDiskIsTheReasonThatNothingIsTaken(t *testing.T) {
	t.Parallel()
	w := server{dir: t.TempDir(), reserve: 1 << 60, shipped: []registry.Shipped{builtin(t, registrytest.Plugin{})}}.start(t)
	list, err := w.Routines(t.Context(), "")
	require.NoError(t, err)
	assert.Len(t, list, 1)
	ready := w.Ready()
	assert.False(t, ready.Ready)
	assert.Equal(t, "disk_full", ready.Code)
	_, err = w.Submit(t.Context(), core.Request{Routine: "probe/run"})
	assert.Equal(t, "disk_full", core.Code(err))
}
