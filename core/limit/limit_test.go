package limit

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func start(t *testing.T, s *State) string {
	t.Helper()
	j, ok := s.Next()
	require.True(t, ok, "nothing may start")
	s.Run(j)
	return j.ID
}

func TestOrderIsPriorityThenSubmitTime(t *testing.T) {
	s := New(Limits{Slots: 10})
	for _, j := range []Job{{"3", "a", 0}, {"1", "b", 0}, {"4", "a", 1}, {"2", "a", -1}} {
		s.Wait(j)
	}
	assert.Equal(t, []string{"4", "1", "3", "2"}, []string{start(t, s), start(t, s), start(t, s), start(t, s)})
}

func TestAFullPluginDoesNotHoldUpTheOthers(t *testing.T) {
	s := New(Limits{Slots: 3, PluginSlots: map[string]int{"a": 1}})
	s.Wait(Job{ID: "1", Plugin: "a"})
	s.Wait(Job{ID: "2", Plugin: "a"})
	s.Wait(Job{ID: "3", Plugin: "b"})
	assert.Equal(t, "1", start(t, s))
	assert.Equal(t, "3", start(t, s))
	_, ok := s.Next()
	assert.False(t, ok)
	assert.Equal(t, "plugin slots", s.WaitsOn("2"))
	s.Forget("1")
	assert.Equal(t, "2", start(t, s))
}

func TestShrinkingLetsRunningJobsRun(t *testing.T) {
	s := New(Limits{Slots: 2})
	for i := range 3 {
		s.Wait(Job{ID: fmt.Sprint(i)})
	}
	start(t, s)
	start(t, s)
	s.SetLimits(Limits{Slots: 1})
	assert.Equal(t, 2, s.Running())
	s.Forget("0")
	_, ok := s.Next()
	assert.False(t, ok, "one still runs: that is the limit")
	s.Forget("1")
	assert.Equal(t, "2", start(t, s))
}

// In any sequence of submits, starts, ends, pauses and changes of the limits:
// nothing starts over a limit, nothing that may start is held back, and what is
// in use is exactly what runs.
func TestSlotsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Limits{Slots: 2})
		l := s.limits
		waiting, running := map[string]Job{}, map[string]Job{}
		plugins := []string{"a", "b", "c"}
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"submit": func(t *rapid.T) {
				next++
				j := Job{
					ID:       fmt.Sprintf("%06d", next),
					Plugin:   rapid.SampledFrom(plugins).Draw(t, "plugin"),
					Priority: int8(rapid.IntRange(-1, 1).Draw(t, "priority")),
				}
				waiting[j.ID] = j
				s.Wait(j)
			},
			"start": func(t *rapid.T) {
				j, ok := s.Next()
				if ok != mayStart(l, waiting, running) {
					t.Fatalf("Next says %v with %v waiting and %v running under %v", ok, waiting, running, l)
				}
				if ok {
					s.Run(j)
					running[j.ID] = j
					delete(waiting, j.ID)
				}
			},
			"end": func(t *rapid.T) {
				id := fmt.Sprintf("%06d", rapid.IntRange(0, next).Draw(t, "id"))
				s.Forget(id)
				delete(running, id)
				delete(waiting, id)
			},
			"park": func(t *rapid.T) {
				for id, j := range running {
					s.Wait(j)
					waiting[id] = j
					delete(running, id)
					break
				}
			},
			"limits": func(t *rapid.T) {
				l = Limits{
					Slots:       rapid.IntRange(1, 5).Draw(t, "slots"),
					PluginSlots: map[string]int{"a": rapid.IntRange(0, 3).Draw(t, "a")},
				}
				s.SetLimits(l)
			},
			"": func(t *rapid.T) {
				if s.Running() != len(running) || s.Waiting() != len(waiting) {
					t.Fatalf("%d run and %d wait; want %d and %d", s.Running(), s.Waiting(), len(running), len(waiting))
				}
				ids := slices.Sorted(s.RunningIDs())
				if len(ids) != len(running) {
					t.Fatalf("in use: %v", ids)
				}
			},
		})
	})
}

// mayStart is the rule in its plainest form.
func mayStart(l Limits, waiting, running map[string]Job) bool {
	if len(running) >= l.Slots {
		return false
	}
	used := map[string]int{}
	for _, j := range running {
		used[j.Plugin]++
	}
	for _, j := range waiting {
		if most, limited := l.PluginSlots[j.Plugin]; !limited || used[j.Plugin] < most {
			return true
		}
	}
	return false
}
