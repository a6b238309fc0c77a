package job

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// shape is the part of a record that decides which events are legal.
type shape struct {
	phase   Phase
	desired Desired
	leased  bool
}

func shapeOf(r Record) shape { return shape{r.Phase, r.Desired, r.Lease != nil} }

// every lists one of each event, as the lease's own worker would send it.
func every(epoch uint64) []Event {
	return []Event{
		Pause{}, Resume{}, Stop{At: at}, Hit{Job: "K", At: at},
		Grant{Node: "n", At: at}, Cancel{Error: Error{Code: "dependency_failed"}, At: at},
		Parked{Epoch: epoch}, Finish{Epoch: epoch, At: at},
		Halted{Epoch: epoch, At: at}, Lost{Epoch: epoch, At: at}, HandBack{Epoch: epoch, At: at},
	}
}

func submitted() Record {
	return Record{ID: "J", Phase: Pending, Desired: WantRun, Created: at}
}

// legal is the whole life of a job: what each event makes of each shape. What is
// not here is refused. Losses below the limit are meant for "lost".
var legal = map[shape]map[string]shape{
	{Pending, WantRun, false}: {
		"pause":  {Paused, WantPause, false},
		"resume": {Pending, WantRun, false},
		"stop":   {Stopped, WantStop, false},
		"grant":  {Running, WantRun, true},
		"cancel": {Failed, WantRun, false},
		"hit":    {Completed, WantRun, false},
	},
	{Paused, WantPause, false}: {
		"pause":  {Paused, WantPause, false},
		"resume": {Pending, WantRun, false},
		"stop":   {Stopped, WantStop, false},
		"cancel": {Failed, WantPause, false},
	},
	{Running, WantRun, true}: {
		"pause":     {Running, WantPause, true},
		"resume":    {Running, WantRun, true},
		"stop":      {Running, WantStop, true},
		"finish":    {Completed, WantRun, false},
		"lost":      {Pending, WantRun, false},
		"hand back": {Pending, WantRun, false},
	},
	{Running, WantPause, true}: {
		"pause":     {Running, WantPause, true},
		"resume":    {Running, WantRun, true},
		"stop":      {Running, WantStop, true},
		"parked":    {Paused, WantPause, true},
		"finish":    {Completed, WantPause, false},
		"lost":      {Paused, WantPause, false},
		"hand back": {Paused, WantPause, false},
	},
	{Running, WantStop, true}: {
		"stop":      {Running, WantStop, true},
		"halted":    {Stopped, WantStop, false},
		"lost":      {Stopped, WantStop, false},
		"hand back": {Stopped, WantStop, false},
	},
	{Paused, WantPause, true}: {
		"pause":     {Paused, WantPause, true},
		"resume":    {Paused, WantRun, true},
		"stop":      {Paused, WantStop, true},
		"lost":      {Paused, WantPause, false},
		"hand back": {Paused, WantPause, false},
	},
	{Paused, WantRun, true}: {
		"pause":     {Paused, WantPause, true},
		"resume":    {Paused, WantRun, true},
		"stop":      {Paused, WantStop, true},
		"grant":     {Running, WantRun, true},
		"lost":      {Pending, WantRun, false},
		"hand back": {Pending, WantRun, false},
	},
	{Paused, WantStop, true}: {
		"stop":      {Paused, WantStop, true},
		"halted":    {Stopped, WantStop, false},
		"lost":      {Stopped, WantStop, false},
		"hand back": {Stopped, WantStop, false},
	},
}

// The walk starts at a submit and tries every event in every shape that any
// sequence of events can reach.
func TestEveryReachableStateAnswersEveryEventAsDrawn(t *testing.T) {
	queue := []Record{submitted()}
	seen := map[shape]bool{shapeOf(queue[0]): true}
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		for _, e := range every(r.Epoch) {
			next, err := Apply(r, e)
			want, allowed := legal[shapeOf(r)][e.event()]
			if !allowed {
				require.Error(t, err, "%v + %s", shapeOf(r), e.event())
				assert.Equal(t, r, next, "a refused event changes nothing")
				continue
			}
			require.NoError(t, err, "%v + %s", shapeOf(r), e.event())
			assert.Equal(t, want, shapeOf(next), "%v + %s", shapeOf(r), e.event())
			checkInvariants(t, next)
			if !seen[shapeOf(next)] {
				seen[shapeOf(next)] = true
				queue = append(queue, next)
			}
		}
	}
	for s := range legal {
		assert.True(t, seen[s], "%v is drawn but cannot be reached", s)
	}
}

func checkInvariants(t *testing.T, r Record) {
	t.Helper()
	assert.Equal(t, r.Phase.Final(), r.Outcome != nil, "an outcome comes with a final phase")
	assert.Equal(t, r.Phase.Final(), r.Ended != nil, "so does the time it ended")
	if r.Phase == Running {
		assert.NotNil(t, r.Lease, "a running job has a worker")
	}
	if r.Phase == Pending || r.Phase.Final() {
		assert.Nil(t, r.Lease, "%s: no worker", r.Phase)
	}
	if r.Phase.Final() || len(r.Spec.Locks) == 0 {
		assert.Nil(t, r.LocksSince, "%s: no locks", r.Phase)
	}
}

func must(t *testing.T, r Record, events ...Event) Record {
	t.Helper()
	for _, e := range events {
		var err error
		r, err = Apply(r, e)
		require.NoError(t, err)
	}
	return r
}

func TestALateCompletionNeverUndoesAStop(t *testing.T) {
	r := must(t, submitted(), Grant{At: at}, Stop{At: at})
	_, err := Apply(r, Finish{Epoch: 1, At: at})
	var illegal *IllegalMove
	require.ErrorAs(t, err, &illegal)
	assert.Equal(t, Running, illegal.Phase)

	r = must(t, r, Halted{Epoch: 1, At: at})
	_, err = Apply(r, Finish{Epoch: 1, At: at})
	require.ErrorAs(t, err, &illegal)
	assert.Equal(t, Stopped, illegal.Phase)
}

func TestAWorkerThatLostItsLeaseIsNotHeard(t *testing.T) {
	r := must(t, submitted(), Grant{At: at}, Lost{Epoch: 1, At: at}, Grant{At: at})
	for _, stale := range []Event{Parked{1}, Finish{Epoch: 1}, Halted{Epoch: 1}, Lost{Epoch: 1}, HandBack{Epoch: 1}} {
		_, err := Apply(r, stale)
		assert.ErrorIs(t, err, ErrStaleLease, stale.event())
	}
	assert.Equal(t, Completed, must(t, r, Finish{Epoch: 2, At: at}).Phase)
}

func TestTheThirdLostWorkerFailsTheJob(t *testing.T) {
	r := submitted()
	for range MaxLosses {
		require.Equal(t, Pending, r.Phase)
		r = must(t, r, Grant{At: at}, Lost{Epoch: r.Epoch + 1, At: at})
	}
	assert.Equal(t, Failed, r.Phase)
	assert.Equal(t, "lost", r.Outcome.Error.Code)
	assert.Equal(t, MaxLosses, r.Attempt)
}

func TestHandingBackIsNotCountedAsALoss(t *testing.T) {
	r := submitted()
	for range 2 * MaxLosses {
		r = must(t, r, Grant{At: at}, HandBack{Epoch: r.Epoch + 1, At: at})
	}
	assert.Equal(t, Pending, r.Phase)
	assert.Zero(t, r.Losses)
}

func TestResumingAParkedGuestIsTheSameAttempt(t *testing.T) {
	r := must(t, submitted(), Grant{At: at}, Pause{}, Parked{1}, Resume{}, Grant{At: at})
	assert.Equal(t, Running, r.Phase)
	assert.Equal(t, 1, r.Attempt)
	assert.EqualValues(t, 1, r.Epoch)
}

func TestAnErrorInTheOutcomeFailsTheJob(t *testing.T) {
	r := must(t, submitted(), Grant{At: at}, Finish{Epoch: 1, At: at, Outcome: Outcome{Error: &Error{Code: "guest_trap"}}})
	assert.Equal(t, Failed, r.Phase)
}

func TestAPinChangesNothingElseInAnyPhase(t *testing.T) {
	final := must(t, submitted(), Stop{At: at})
	for _, r := range []Record{submitted(), final} {
		pinned := must(t, r, Pin{On: true})
		assert.True(t, pinned.Pinned)
		assert.Equal(t, r, must(t, pinned, Pin{On: false}))
	}
}

func TestAHitNamesTheJobThatRan(t *testing.T) {
	r := must(t, submitted(), Hit{Job: "K", At: at, Outcome: Outcome{Result: json.RawMessage(`1`)}})
	assert.Equal(t, "K", r.CacheHit)
	assert.Equal(t, Completed, r.Phase)
	assert.Zero(t, r.Attempt)
}

func TestApplyRefusesWhatIsNotAnEvent(t *testing.T) {
	_, err := Apply(submitted(), nil)
	var illegal *IllegalMove
	assert.True(t, errors.As(err, &illegal))
}

// A record is stored as JSON: what is read back must be what was written.
func TestARecordSurvivesItsEncoding(t *testing.T) {
	r := submitted()
	r.Spec.Params = json.RawMessage(`{}`)
	r = must(t, r, Grant{Node: "n", At: at}, Finish{Epoch: 1, At: at, Outcome: Outcome{
		Result: json.RawMessage(`{"a":1}`),
		Tables: []Table{{Name: "steps", Rows: 3, Blob: Blob{Digest: "d", Bytes: 9}}},
	}})
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var back Record
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, r, back)
}

// A job that was paused holds its locks until it ends, however often its guest goes with
// the server; one that ran gives them back when its worker is lost.
func TestAPausedJobHoldsItsLocksWithoutAGuest(t *testing.T) {
	locked := submitted()
	locked.Spec.Locks = []Lock{{Name: "l", Limit: 1}}
	later := at.Add(time.Hour)
	for name, gone := range map[string]func(epoch uint64) Event{
		"handed_back": func(epoch uint64) Event { return HandBack{Epoch: epoch, At: later} },
		"lost":        func(epoch uint64) Event { return Lost{Epoch: epoch, At: later} },
	} {
		t.Run(name, func(t *testing.T) {
			parked := must(t, locked, Grant{At: at}, Pause{}, Parked{1})
			for _, before := range []Record{
				must(t, locked, Grant{At: at}, Pause{}), // its guest has not confirmed it
				parked,
				must(t, parked, Resume{}), // it waits for a slot
			} {
				r := must(t, before, gone(1))
				assert.True(t, r.HoldsLocks(), "%s", shapeOf(before))
				assert.Equal(t, at, *r.LocksSince)
				r = must(t, r, Resume{})
				assert.True(t, r.HoldsLocks(), "it waits for a slot, and holds them")
				again := must(t, r, Grant{At: later}, Pause{}, Parked{2}, gone(2))
				assert.Equal(t, at, *again.LocksSince, "all the while")
				assert.False(t, must(t, r, Grant{At: later}, gone(2)).HoldsLocks(), "it did not pause this time")
				assert.False(t, must(t, r, Stop{At: later}).HoldsLocks())
				assert.False(t, must(t, r, Grant{At: later}, Finish{Epoch: 2, At: later}).HoldsLocks())
			}
			assert.False(t, must(t, locked, Grant{At: at}, gone(1)).HoldsLocks(), "it ran")
			assert.False(t, must(t, locked, Grant{At: at}, gone(1), Pause{}).HoldsLocks(), "it was paused later, without them")
			assert.False(t, must(t, locked, Pause{}).HoldsLocks(), "it never ran")
			assert.Nil(t, must(t, submitted(), Grant{At: at}, Pause{}, gone(1)).LocksSince, "it names none")
		})
	}
}
