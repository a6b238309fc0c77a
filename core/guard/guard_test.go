package guard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestManyGoroutinesSeeOneValue(t *testing.T) {
	v := New("count", RankView, 0)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 200 {
				v.Must(func(n *int) { *n++ })
			}
		})
	}
	all.Wait()
	v.Must(func(n *int) { assert.Equal(t, 64*200, *n) })
}

// occupied returns a value whose lock another goroutine holds until release.
func occupied(t *testing.T) (v *Value[int], release func()) {
	v = New("occupied", RankView, 0)
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		v.Must(func(*int) { close(held); <-let })
	}()
	<-held
	return v, func() { close(let); <-done }
}

func TestWaitingEndsWithTheContextAndItsCause(t *testing.T) {
	v, release := occupied(t)
	defer release()
	why := errors.New("the client left")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	err := v.Do(ctx, func(*int) { t.Error("called without the lock") })
	assert.ErrorIs(t, err, why)
	assert.ErrorContains(t, err, "occupied")
}

func TestAFreeLockIsTakenEvenWhenTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	called := false
	require.NoError(t, New("free", RankView, 0).Do(ctx, func(*int) { called = true }))
	assert.True(t, called)
}

func TestTheLockIsFreeAgainAfterAPanic(t *testing.T) {
	v := New("panics", RankView, 0)
	assert.Panics(t, func() { v.Must(func(*int) { panic("oops") }) })
	v.Must(func(n *int) { *n = 1 })
}

func TestRanks(t *testing.T) {
	outer, inner := New("outer", RankEngine, 0), New("inner", RankView, 0)
	t.Run("rising_order_is_fine", func(t *testing.T) {
		outer.Must(func(*int) { inner.Must(func(*int) {}) })
	})
	t.Run("falling_order_panics", func(t *testing.T) {
		assert.PanicsWithValue(t, "lock order: outer (rank 10) taken while holding inner (rank 50)", func() {
			inner.Must(func(*int) { outer.Must(func(*int) {}) })
		})
	})
	t.Run("two_of_one_rank_panic", func(t *testing.T) {
		other := New("other", RankView, 0)
		assert.Panics(t, func() { inner.Must(func(*int) { other.Must(func(*int) {}) }) })
	})
	t.Run("the_same_lock_twice_panics_rather_than_hangs", func(t *testing.T) {
		assert.Panics(t, func() { inner.Must(func(*int) { inner.Must(func(*int) {}) }) })
	})
	t.Run("one_after_the_other_is_fine", func(t *testing.T) {
		inner.Must(func(*int) {})
		outer.Must(func(*int) {})
	})
}

func TestASlowHolderIsLoggedWithItsStack(t *testing.T) {
	logged := captureLog(t)
	synctest.Test(t, func(*testing.T) {
		New("slow", RankView, 0).Must(holdForAMinute)
	})
	assert.Contains(t, logged.String(), "lock held too long")
	assert.Contains(t, logged.String(), "lock=slow")
}

func TestAWaiterNamesTheHolderThatDoesNotLetGo(t *testing.T) {
	logged := captureLog(t)
	synctest.Test(t, func(*testing.T) {
		v := New("stuck", RankView, 0)
		taken := make(chan struct{})
		go v.Must(func(n *int) { close(taken); holdForAMinute(n) })
		<-taken
		v.Must(func(*int) {})
	})
	assert.Contains(t, logged.String(), "lock waited for too long")
	assert.Contains(t, logged.String(), "holdForAMinute")
}

// holdForAMinute is a minute of a synctest bubble's own clock: no time at all.
func holdForAMinute(*int) { <-time.After(time.Minute) }

// captureLog collects what is logged until the test ends. Tests that use it do
// not run in parallel: the default logger is the process's.
func captureLog(t *testing.T) *bytes.Buffer {
	var logged bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &logged
}

func TestWaitsAndHoldsAreMeasuredByName(t *testing.T) {
	v, release := occupied(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	before := testutil.ToFloat64(gaveUpTotal.WithLabelValues("occupied"))
	require.Error(t, v.Do(ctx, func(*int) {}))
	release()
	assert.Equal(t, before+1, testutil.ToFloat64(gaveUpTotal.WithLabelValues("occupied")))
	for _, c := range Collectors() {
		assert.NotZero(t, testutil.CollectAndCount(c))
	}
}

func BenchmarkUncontended(b *testing.B) {
	v := New("bench", RankView, 0)
	check := checkRanks
	checkRanks = func() bool { return false } // as in production
	defer func() { checkRanks = check }()
	for b.Loop() {
		v.Must(func(n *int) { *n++ })
	}
}

func TestBlockingWhileHoldingAValuePanics(t *testing.T) {
	outer, inner := New("outer", RankEngine, 0), New("inner", RankView, 0)
	assert.NotPanics(t, func() { Blocking("read") })
	outer.Must(func(*int) {
		assert.PanicsWithValue(t, "read while holding outer (rank 10)", func() { Blocking("read") })
		inner.Must(func(*int) {
			assert.PanicsWithValue(t, "read while holding inner (rank 50)", func() { Blocking("read") })
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			assert.NotPanics(t, func() { Blocking("read") }, "another goroutine holds it")
		}()
		<-done
	})
	assert.NotPanics(t, func() { Blocking("read") }, "none is held any more")
}
