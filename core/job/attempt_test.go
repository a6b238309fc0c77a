package job

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var left = Left{
	Progress: &Progress{Fraction: 0.5, Message: "half"},
	Usage:    Usage{CPUSeconds: 3, LogBytes: 9},
	Log:      &Log{Blob: Blob{Digest: "d", Bytes: 9}},
}

// What an attempt left stays in the record, however it ended without an outcome and
// whatever the user wants by then.
func TestWhatAnAttemptLeftStays(t *testing.T) {
	for ending, end := range map[string]func(epoch uint64) Event{
		AttemptLost:       func(epoch uint64) Event { return Lost{Epoch: epoch, Left: left, At: at} },
		AttemptHandedBack: func(epoch uint64) Event { return HandBack{Epoch: epoch, Left: left, At: at} },
	} {
		for _, wish := range []Event{Resume{}, Pause{}, Stop{At: at}} {
			r := must(t, submitted(), Grant{Node: "n", At: at}, wish, end(1))
			require.Len(t, r.Attempts, 1, "%s %s", ending, wish.event())
			assert.Equal(t, Attempt{Number: 1, Node: "n", Started: &at, Ended: at, Ending: ending, Left: left}, r.Attempts[0])
			if r.Phase.Final() {
				assert.Equal(t, left.outcome(), *r.Outcome, "a stopped job has what its last attempt left")
			}
		}
	}
}

func TestALostJobHasWhatItsLastAttemptLeft(t *testing.T) {
	r := submitted()
	for range MaxLosses {
		r = must(t, r, Grant{At: at}, Lost{Epoch: r.Epoch + 1, Left: left, At: at})
	}
	require.Equal(t, Failed, r.Phase)
	require.Len(t, r.Attempts, MaxLosses)
	assert.Equal(t, left.Log, r.Outcome.Log)
	assert.Equal(t, left.Progress, r.Outcome.Progress)
	assert.Equal(t, left.Usage, r.Outcome.Usage)
}

func TestOnlyTheNewestAttemptsStay(t *testing.T) {
	r := submitted()
	for n := range 3 * MaxAttempts {
		before := r
		kept := len(before.Attempts)
		r = must(t, r, Grant{At: at}, HandBack{Epoch: r.Epoch + 1, Left: left, At: at})
		assert.Len(t, before.Attempts, kept, "the record before is not changed")
		require.Len(t, r.Attempts, min(n+1, MaxAttempts))
		require.Equal(t, max(n+1-MaxAttempts, 0), r.AttemptsDropped)
		assert.Equal(t, n+1, r.Attempts[len(r.Attempts)-1].Number)
	}
}

// The longest that progress can say takes little of a record, however it is escaped.
func TestAttemptsTakeLittleOfARecord(t *testing.T) {
	long := left
	long.Progress = &Progress{Message: strings.Repeat("\x01", MaxProgress/len(`\u0001`))}
	long.Log = &Log{Blob: Blob{Digest: strings.Repeat("d", 64), Bytes: 1 << 60}, Dropped: 1 << 60}
	r := submitted()
	for range 2 * MaxAttempts {
		r = must(t, r, Grant{Node: strings.Repeat("n", 64), At: at}, HandBack{Epoch: r.Epoch + 1, Left: long, At: at})
	}
	data, err := json.Marshal(r.Attempts)
	require.NoError(t, err)
	assert.Less(t, len(data), MaxAttemptsBytes)
}
