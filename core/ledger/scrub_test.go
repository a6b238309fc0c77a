package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/ledger/damagetest"
)

// scrubbed runs the scrubber for a time, as a process that then ends.
func scrubbed(t *testing.T, b *Blobs, how Scrubbing, d time.Duration) ScrubState {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	assert.ErrorIs(t, b.Scrub(ctx, how), context.DeadlineExceeded)
	return b.Scrubbed()
}

func TestAPassOfTheScrubberTakesAWeekAndFindsAllDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlobs(t)
		for i := range 100 {
			put(t, b, strings.Repeat(fmt.Sprint(i), 1000))
		}
		bad := put(t, b, "grain")
		damagetest.All()[0].To(t, b.path(bad.Digest))
		passes := 0
		how := Scrubbing{Position: filepath.Join(t.TempDir(), "cache", "scrub.json"), Passed: func(context.Context) { passes++ }}
		const week = 7 * 24 * time.Hour
		half := scrubbed(t, b, how, week/2)
		assert.InDelta(t, 0.5, half.Fraction(), 0.02)
		assert.InDelta(t, 50, half.Files, 25, "not all at once")
		assert.Zero(t, passes)
		scrubbed(t, b, how, week/2+time.Minute) // another process: it goes on
		assert.Equal(t, 1, passes)
		require.Len(t, b.Damaged(), 1)
		assert.Equal(t, bad.Digest, b.Damaged()[0].Digest)
		b.close()
	})
}

// What a stop of a week has cost is made up for, at no more than the greatest rate.
func TestTheScrubberMakesUpForAStopWithinItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlobs(t)
		const files, size = 64, 1 << 20
		for i := range files {
			put(t, b, strings.Repeat(fmt.Sprintf("%08d", i), size/8))
		}
		passed := make(chan struct{}, 8)
		how := Scrubbing{
			Position: filepath.Join(t.TempDir(), "scrub.json"), MaxRate: 1 << 20,
			Passed: func(context.Context) { passed <- struct{}{} },
		}
		scrubbed(t, b, how, time.Hour)
		time.Sleep(8 * 24 * time.Hour) // of the bubble: nobody runs
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Scrub(ctx, how) }()
		<-passed
		took := time.Since(began)
		assert.GreaterOrEqual(t, took, (files-8)*time.Second, "a MiB a second")
		assert.LessOrEqual(t, took, 3*files*time.Second)
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
		b.close()
	})
}

func TestAPositionThatCannotBeUsedBeginsAnew(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	position := func(s ScrubState) string {
		data, err := json.Marshal(s)
		require.NoError(t, err)
		return string(data)
	}
	digest := strings.Repeat("ab", 32)
	good := ScrubState{Version: scrubVersion, Started: now.Add(-time.Hour), After: digest, Files: 3}
	for name, c := range map[string]struct {
		file string
		kept bool
	}{
		"good":                 {position(good), true},
		"of_another_version":   {position(ScrubState{Version: 99, Started: now, After: digest}), false},
		"of_the_future":        {position(ScrubState{Version: scrubVersion, Started: now.Add(time.Hour), After: digest}), false},
		"that_is_no_digest":    {position(ScrubState{Version: scrubVersion, Started: now, After: "../../etc"}), false},
		"cut":                  {position(good)[:20], false},
		"empty":                {"", false},
		"that_is_a_bit_off":    {strings.Replace(position(good), `"version"`, `"versiom"`, 1), false},
		"that_is_another_file": {"\x00\x01\x02", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			how := Scrubbing{Position: filepath.Join(t.TempDir(), "scrub.json"), Now: func() time.Time { return now }}
			require.NoError(t, os.WriteFile(how.Position, []byte(c.file), 0o600))
			if s := how.restore(); c.kept {
				assert.Equal(t, good, s)
			} else {
				assert.Equal(t, ScrubState{Version: scrubVersion, Started: now}, s)
			}
		})
	}
}

func TestVerifyingNowSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	b := newBlobs(t)
	for i := range 20 {
		put(t, b, strings.Repeat(fmt.Sprint(i), 1000))
	}
	var last Verified
	require.NoError(t, b.VerifyAll(t.Context(), func(v Verified) {
		assert.GreaterOrEqual(t, v.Bytes, last.Bytes)
		assert.LessOrEqual(t, v.Files, v.OfFiles)
		last = v
	}))
	assert.EqualValues(t, 20, last.Files)
	assert.Equal(t, last.OfFiles, last.Files)
	assert.Equal(t, last.OfBytes, last.Bytes)
	assert.Empty(t, b.Damaged())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, b.VerifyAll(gone, func(Verified) {}), context.Canceled)
}
