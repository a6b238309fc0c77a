package feed

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func change(id uint64, job string) Event {
	return Event{ID: id, Type: TypeJob, Job: job, Data: json.RawMessage(`{}`)}
}

// ids reads what there is for a subscription.
func ids(s *Subscription) (list []uint64) {
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		list = append(list, e.ID)
	}
	return list
}

// next returns the next event, which must be there.
func next(t *testing.T, s *Subscription) Event {
	t.Helper()
	<-s.More()
	e, ok := s.Next()
	require.True(t, ok)
	return e
}

func TestSubscribersSeeTheirJobInOrder(t *testing.T) {
	h := New(0)
	all, one := h.Subscribe(0, ""), h.Subscribe(0, "B")
	for i, job := range []string{"A", "B", "A", "B"} {
		h.Publish(change(uint64(i+1), job))
	}
	assert.Equal(t, []uint64{1, 2, 3, 4}, ids(all))
	assert.Equal(t, []uint64{2, 4}, ids(one))
}

func TestLogsGoOnlyToThoseWhoWatchTheJob(t *testing.T) {
	h := New(0)
	all, one := h.Subscribe(0, ""), h.Subscribe(0, "A")
	assert.True(t, h.Watched("A"))
	assert.False(t, h.Watched("B"))
	h.Publish(Event{Type: TypeLog, Job: "A"})
	assert.Empty(t, ids(all))
	assert.Len(t, ids(one), 1)
}

func TestASlowSubscriberIsDroppedAndTheOthersAreNot(t *testing.T) {
	h := New(0)
	slow, quick := h.Subscribe(0, ""), h.Subscribe(0, "")
	for i := range bufferSize + 1 {
		h.Publish(change(uint64(i+1), "A"))
		require.Len(t, ids(quick), 1)
	}
	assert.Empty(t, ids(slow), "what it has missed is not kept for it")
	assert.ErrorIs(t, slow.Err(), ErrSlow)
	now, dropped := h.Counts()
	assert.Equal(t, 1, now)
	assert.EqualValues(t, 1, dropped)
}

func TestComingBackMissesNothing(t *testing.T) {
	h := New(10)
	for id := uint64(11); id <= 20; id++ {
		h.Publish(change(id, "A"))
	}
	assert.Equal(t, []uint64{16, 17, 18, 19, 20}, ids(h.Subscribe(15, "")))
	assert.Empty(t, ids(h.Subscribe(20, "")))
	assert.Len(t, ids(h.Subscribe(10, "A")), 10)
}

func TestComingBackTooLateIsToldToReset(t *testing.T) {
	h := New(10)
	for id := uint64(11); id < 11+ringSize+5; id++ {
		h.Publish(change(id, "A"))
	}
	for name, after := range map[string]uint64{
		"before_the_server_started": 3, "no_longer_in_the_ring": 12, "of_another_server": 1 << 40, "too_many": 20,
	} {
		t.Run(name, func(t *testing.T) {
			e := next(t, h.Subscribe(after, ""))
			assert.Equal(t, TypeReset, e.Type)
			assert.EqualValues(t, 10+ringSize+5, e.ID, "reading anew and coming back with this id misses nothing")
		})
	}
}

func TestWhatIsKeptForThoseWhoComeBackIsBoundedInBytes(t *testing.T) {
	h := New(0)
	large := json.RawMessage(make([]byte, ringBytes/10))
	for id := uint64(1); id <= 25; id++ {
		h.Publish(Event{ID: id, Type: TypeJob, Job: "A", Data: large})
	}
	assert.Equal(t, []uint64{21, 22, 23, 24, 25}, ids(h.Subscribe(20, "")))
	assert.Equal(t, TypeReset, next(t, h.Subscribe(10, "")).Type)
	h.Publish(Event{ID: 26, Type: TypeJob, Job: "A", Data: make([]byte, 2*ringBytes)})
	assert.EqualValues(t, 26, next(t, h.Subscribe(25, "")).ID, "more than fits at all: whoever comes back reads anew")
}

func TestClosingEndsEveryone(t *testing.T) {
	h := New(0)
	s := h.Subscribe(0, "")
	h.Close()
	<-s.More()
	_, ok := s.Next()
	assert.False(t, ok)
	assert.ErrorIs(t, s.Err(), ErrClosed)
	late := h.Subscribe(0, "")
	<-late.More()
	_, ok = late.Next()
	assert.False(t, ok)
	assert.ErrorIs(t, late.Err(), ErrClosed)
	s.Close()
	s.Close()
}

// Who is too far behind in bytes is dropped as well; one large event is for everyone.
func TestASubscriberMayBeBehindSoManyBytes(t *testing.T) {
	h := New(0)
	slow := h.Subscribe(0, "")
	h.Publish(Event{ID: 1, Type: TypeJob, Job: "A", Data: make([]byte, 2*bufferBytes)})
	assert.Equal(t, []uint64{1}, ids(slow))
	for id := range uint64(11) {
		h.Publish(Event{ID: id + 2, Type: TypeJob, Job: "A", Data: make([]byte, bufferBytes/10)})
	}
	assert.Empty(t, ids(slow))
	assert.ErrorIs(t, slow.Err(), ErrSlow)
}

// Many read, as fast as they can or slowly, while events come and subscribers go:
// each sees all of them in order, or is told that it was too slow.
func TestManyReadOneChain(t *testing.T) {
	h := New(0)
	const readers, events = 200, 2000
	var started, ended sync.WaitGroup
	slow := atomic.Int64{}
	started.Add(readers)
	for n := range readers {
		ended.Go(func() {
			s := h.Subscribe(0, []string{"", "A"}[n%2])
			defer s.Close()
			started.Done()
			for last := uint64(0); ; {
				e, ok := s.Next()
				switch {
				case ok:
					if !assert.Equal(t, last+1, e.ID) {
						return
					}
					last++
					if last == events/2 && n%10 == 0 {
						return
					}
				case s.Err() == ErrSlow:
					slow.Add(1)
					return
				case s.Err() == ErrClosed:
					assert.EqualValues(t, events, last)
					return
				default:
					<-s.More()
				}
			}
		})
	}
	started.Wait()
	for id := range uint64(events) {
		h.Publish(change(id+1, "A"))
	}
	h.Close()
	ended.Wait()
	now, dropped := h.Counts()
	assert.Zero(t, now)
	assert.EqualValues(t, slow.Load(), dropped)
}
