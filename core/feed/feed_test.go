package feed

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func change(id uint64, job string) Event {
	return Event{ID: id, Type: TypeJob, Job: job, Data: json.RawMessage(`{}`)}
}

// ids drains what a subscription has been sent so far.
func ids(s *Subscription) (list []uint64) {
	for {
		select {
		case e, open := <-s.Events():
			if !open {
				return list
			}
			list = append(list, e.ID)
		default:
			return list
		}
	}
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
	assert.Len(t, ids(slow), bufferSize, "what it was sent it can still read")
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
			e := <-h.Subscribe(after, "").Events()
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
	assert.Equal(t, TypeReset, (<-h.Subscribe(10, "").Events()).Type)
	h.Publish(Event{ID: 26, Type: TypeJob, Job: "A", Data: make([]byte, 2*ringBytes)})
	assert.EqualValues(t, 26, (<-h.Subscribe(25, "").Events()).ID, "more than fits at all: whoever comes back reads anew")
}

func TestClosingEndsEveryone(t *testing.T) {
	h := New(0)
	s := h.Subscribe(0, "")
	h.Close()
	_, open := <-s.Events()
	assert.False(t, open)
	assert.ErrorIs(t, s.Err(), ErrClosed)
	late := h.Subscribe(0, "")
	_, open = <-late.Events()
	assert.False(t, open)
	assert.ErrorIs(t, late.Err(), ErrClosed)
	s.Close()
	s.Close()
}
