package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/clock"
	"thresher/core/guard"
	"thresher/core/ledger"
)

// hands are clocks that a test moves.
type hands struct{ now *guard.Value[clock.Reading] }

func newHands() hands {
	return hands{guard.New("hands", guard.RankBlobs, clock.Reading{Wall: time.Now().Round(0), Mono: time.Hour, Boot: "first"})}
}

func (h hands) read() (r clock.Reading) {
	h.now.Must(func(now *clock.Reading) { now.Mono++; r = *now })
	return r
}

func (h hands) pass(d time.Duration) {
	h.now.Must(func(now *clock.Reading) { now.Wall, now.Mono = now.Wall.Add(d), now.Mono+d })
}

func (h hands) jump(d time.Duration) {
	h.now.Must(func(now *clock.Reading) { now.Wall = now.Wall.Add(d) })
}

// off is a time in which the machine is off.
func (h hands) off(d time.Duration) {
	h.now.Must(func(now *clock.Reading) { now.Wall, now.Mono, now.Boot = now.Wall.Add(d), 0, now.Boot+"+" })
}

func (h hands) open(t *testing.T, dir string) *core.Engine {
	t.Helper()
	e, err := core.Open(t.Context(), core.Config{Dir: dir, Sync: ledger.SyncInterval, Clock: h.read}, newScript())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close(context.Background())) })
	return e
}

// ended runs some jobs to their end.
func ended(t *testing.T, e *core.Engine, n int) (ids []string) {
	t.Helper()
	for range n {
		j := submit(t, e, "quick")
		eventually(t, "it ends", func() bool { j, _ = e.Job(t.Context(), j.ID); return j.Phase.Final() })
		ids = append(ids, j.ID)
	}
	return ids
}

// counted is how many jobs there are.
func counted(t *testing.T, e *core.Engine) (n int) {
	t.Helper()
	s, err := e.Stats(t.Context())
	require.NoError(t, err)
	for _, k := range s.Jobs {
		n += k
	}
	return n
}

// Nothing is deleted because the wall clock was moved, whichever way, how far, how often,
// and whether the server ran or not. By count, and by time that has passed, jobs are.
func TestNothingIsDeletedOnTheStrengthOfAJump(t *testing.T) {
	const day = 24 * time.Hour
	for _, by := range []time.Duration{2 * day, 10 * 365 * day, -2 * day, -10 * 365 * day} {
		for what, move := range map[string]func(h hands){
			"running":  nil,
			"stopped":  func(h hands) { h.jump(by) },
			"rebooted": func(h hands) { h.off(by) },
		} {
			t.Run(fmt.Sprintf("%v_%s", by, what), func(t *testing.T) {
				t.Parallel()
				dir, h := t.TempDir(), newHands()
				e := h.open(t, dir)
				ended(t, e, 3)
				h.pass(time.Hour)
				if move == nil {
					h.jump(by)
				} else {
					require.NoError(t, e.Close(t.Context()))
					move(h)
					e = h.open(t, dir)
				}
				prune := func() {
					_, err := e.Prune(t.Context())
					require.NoError(t, err)
				}
				prune()
				require.Equal(t, 3, counted(t, e))
				ended(t, e, 2)
				assert.Equal(t, by > 0, e.Clock().Holds)
				assert.Equal(t, by > 0, e.Ready().Clock != "")
				h.jump(-by)
				prune()
				h.jump(by)
				prune()
				require.Equal(t, 5, counted(t, e), "a clock that goes to and fro")

				h.pass(22 * time.Hour)
				prune()
				require.Equal(t, 5, counted(t, e), "23 hours have passed at most")
				h.pass(5 * time.Hour)
				prune()
				assert.Zero(t, counted(t, e), "27 hours have passed")
				assert.False(t, e.Clock().Holds, "it makes no difference any more")
			})
		}
	}
}

func TestBoundsOfCountDeleteWhateverTheClockSays(t *testing.T) {
	h := newHands()
	e := h.open(t, t.TempDir())
	ids := ended(t, e, 5)
	h.jump(48 * time.Hour)
	ids = append(ids, ended(t, e, 2)...)
	_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) {
		l.Retention = map[string]core.Retention{"*": {AgeSeconds: 86400, Count: 3}}
		return l, nil
	})
	require.NoError(t, err)
	eventually(t, "the oldest go", func() bool { return counted(t, e) == 3 })
	for _, id := range ids[4:] {
		_, err := e.Job(t.Context(), id)
		assert.NoError(t, err)
	}
}

// Whoever knows that the time has really passed says so.
func TestAnAcceptedJumpCountsAsAge(t *testing.T) {
	dir, h := t.TempDir(), newHands()
	e := h.open(t, dir)
	ended(t, e, 3)
	require.NoError(t, e.Close(t.Context()))
	h.off(7 * 24 * time.Hour)
	e = h.open(t, dir)
	_, err := e.Prune(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, counted(t, e))
	assert.False(t, e.AcceptClock().Holds)
	n, err := e.Prune(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}

// A result is not run again, and a bulk is not forgotten, because of a jump.
func TestWhatExpiresTakesAJumpForNoAge(t *testing.T) {
	h := newHands()
	e := h.open(t, t.TempDir())
	_, err := e.ChangeLimits(t.Context(), func(l core.Limits) (core.Limits, error) { l.CacheSeconds = 3600; return l, nil })
	require.NoError(t, err)
	cached := func() string {
		j, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Params: json.RawMessage(`{"n":7}`)})
		require.NoError(t, err)
		eventually(t, "it ends", func() bool { j, _ = e.Job(t.Context(), j.ID); return j.Phase.Final() })
		return j.CacheHit
	}
	require.Empty(t, cached())
	h.jump(48 * time.Hour)
	assert.NotEmpty(t, cached())
	h.pass(2 * time.Hour)
	assert.Empty(t, cached(), "an hour has passed")
}

// Ids rise, whatever the clock does, for all kinds of records together.
func TestIDsNeverGoBack(t *testing.T) {
	dir, h := t.TempDir(), newHands()
	var last string
	for range 3 {
		e := h.open(t, dir)
		for _, by := range []time.Duration{0, -48 * time.Hour, time.Millisecond, -10 * 365 * 24 * time.Hour} {
			h.jump(by)
			made := everyKind(t, e)
			assert.True(t, slices.IsSorted(made), made)
			assert.Greater(t, made[0], last)
			last = made[len(made)-1]
		}
		require.NoError(t, e.Close(t.Context()))
		h.jump(-time.Hour)
	}
}

// everyKind makes a job, a batch and a bulk, one after the other.
func everyKind(t *testing.T, e *core.Engine) []string {
	t.Helper()
	j := submit(t, e, "quick")
	b, err := e.SubmitBatch(t.Context(), core.BatchRequest{Jobs: []core.BatchJob{{Request: core.Request{Routine: "test/quick"}}}})
	require.NoError(t, err)
	k, err := e.StartBulk(t.Context(), "stop", core.Filter{Tenant: "nobody"}, false)
	require.NoError(t, err)
	return []string{j.ID, b.ID, k.ID}
}

// Of ids that many ask for at once, each asker sees its own rise, and none comes twice.
func TestIDsRiseForEveryAsker(t *testing.T) {
	h := newHands()
	ids := core.NewIDs(func() time.Time { return h.read().Wall })
	const askers, each = 8, 2000
	made := make([][]string, askers)
	var asking sync.WaitGroup
	for a := range askers {
		asking.Go(func() {
			for n := range each {
				if n%100 == 0 {
					h.jump(time.Duration(n%300-100) * time.Minute)
				}
				made[a] = append(made[a], ids())
			}
		})
	}
	asking.Wait()
	seen := map[string]bool{}
	for _, list := range made {
		assert.True(t, slices.IsSorted(list))
		for _, id := range list {
			assert.False(t, seen[id])
			seen[id] = true
		}
	}
}

// Who waits is neither passed nor passes others because of a jump: priorities rise with
// the time that has passed.
func TestPrioritiesRiseByMeasuredTime(t *testing.T) {
	for _, by := range []time.Duration{48 * time.Hour, -48 * time.Hour} {
		for _, waited := range []time.Duration{time.Minute, 11 * time.Minute} {
			t.Run(fmt.Sprintf("%v_%v", by, waited), func(t *testing.T) {
				t.Parallel()
				h, s := newHands(), newScript()
				e, err := core.Open(t.Context(), core.Config{
					Dir: t.TempDir(), Sync: ledger.SyncInterval, Clock: h.read, Limits: core.Limits{Slots: 1, AgeingSeconds: 600},
				}, s)
				require.NoError(t, err)
				t.Cleanup(func() { assert.NoError(t, e.Close(context.Background())) })
				first := submit(t, e, "wait")
				require.Equal(t, first.ID, <-s.started)
				low, err := e.Submit(t.Context(), core.Request{Routine: "test/quick", Cache: "off", Priority: "low"})
				require.NoError(t, err)
				h.jump(by)
				h.pass(waited)
				normal := submit(t, e, "quick")
				s.finish <- struct{}{}
				want := []string{normal.ID, low.ID}
				if waited > 10*time.Minute {
					want = []string{low.ID, normal.ID}
				}
				assert.Equal(t, want, []string{<-s.started, <-s.started})
			})
		}
	}
}

// Whichever way the wall clock was moved, from and to select jobs by the created that
// they show, and lists keep the order in which jobs were submitted.
func TestFromAndToSelectByCreatedAcrossJumps(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{26 * time.Hour, -26 * time.Hour, -time.Millisecond, 0} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			dir, h := t.TempDir(), newHands()
			e := h.open(t, dir)
			var jobs []core.Job // as they were submitted
			some := func() {
				for range 3 {
					jobs = append(jobs, submit(t, e, "quick"))
					h.pass(300 * time.Microsecond)
				}
			}
			some()
			h.jump(by)
			some()
			require.NoError(t, e.Close(t.Context()))
			h.off(time.Minute)
			e = h.open(t, dir)
			some()
			h.jump(-by)
			some()
			for _, from := range jobs {
				for _, to := range jobs {
					f := core.Filter{From: from.Created, To: to.Created}
					var want []string
					for _, j := range jobs {
						if !j.Created.Before(f.From) && j.Created.Before(f.To) {
							want = append(want, j.ID)
						}
					}
					slices.Reverse(want) // the newest first
					page, err := e.Jobs(t.Context(), f)
					require.NoError(t, err)
					var got []string
					for _, j := range page.Jobs {
						got = append(got, j.ID)
					}
					require.Equal(t, want, got, "from %v to %v", f.From, f.To)
					for _, j := range jobs { // a page that is kept is of this filter
						assert.Equal(t, slices.Contains(want, j.ID), strings.Contains(pageJSON(t, e, f), j.ID))
					}
				}
			}
		})
	}
}
