package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// replacing is a store of records in which a batch has replaced all but the first, and
// deleted the last.
func replacing(t *testing.T) (dir string, before, after uint64) {
	t.Helper()
	dir = t.TempDir()
	l, s := open(t, dir, byText)
	round := replacements(t, s)
	before = s.Revision()
	s.commit(round[1:])
	for _, w := range round[1:] {
		<-w.done
		require.NoError(t, w.err)
	}
	after = s.Revision()
	require.NoError(t, l.Close(t.Context()))
	return dir, before, after
}

// replacements makes records and returns what replaces them, and deletes the last.
func replacements(t *testing.T, s *Store[note]) (round []*write[note]) {
	t.Helper()
	for i := range 2 * batchFrom {
		key := fmt.Sprint(i)
		revision, err := s.Create(t.Context(), key, note{"old", i})
		require.NoError(t, err)
		value := note{"new", i}
		round = append(round, &write[note]{key: key, expected: revision, value: &value, data: marshal(value), done: make(chan struct{})})
	}
	last := round[len(round)-1]
	last.value, last.data = nil, nil
	return round
}

// lose takes messages away, as a power cut may while a batch is written: of the batch,
// and of what it was to replace.
func lose(t *testing.T, dir, subject string) {
	t.Helper()
	l, err := Open(t.Context(), Config{Dir: dir})
	require.NoError(t, err)
	defer l.Close(t.Context())
	stream, err := l.js.Stream(t.Context(), "notes")
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(subject)))
}

func TestWhatABatchWasToReplaceIsWrittenAgainWhereNothingIsLeft(t *testing.T) {
	t.Parallel()
	dir, _, _ := replacing(t)
	last := fmt.Sprint(2*batchFrom - 1)
	lose(t, dir, "notes.5")
	lose(t, dir, "notes."+last)
	_, s := open(t, dir, byText)
	e, err := s.Get(t.Context(), "5")
	require.NoError(t, err)
	assert.Equal(t, note{"new", 5}, e.Value)
	_, err = s.Get(t.Context(), last)
	assert.ErrorIs(t, err, ErrNotFound, "it was deleted")
	assert.Equal(t, 2*batchFrom-1, count(t, s, ""))
}

func TestNothingIsWrittenAgainAfterALaterWrite(t *testing.T) {
	t.Parallel()
	dir, _, _ := replacing(t)
	l, s := open(t, dir, byText)
	_, err := s.Create(t.Context(), "later", note{"x", 1})
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	lose(t, dir, "notes.5")
	_, s = open(t, dir, byText)
	_, err = s.Get(t.Context(), "5")
	assert.ErrorIs(t, err, ErrNotFound)
}

// Of a batch that was refused as one, a write may stand and its record be deleted since.
func TestNothingOfABatchThatWasRefusedIsWrittenAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, s := open(t, dir, byText)
	round := replacements(t, s)
	sent := 0
	s.ledger.faults.Send = func(_ uint64, send func() (uint64, error)) (uint64, error) {
		if sent++; sent == 1 || sent > 6 {
			return 0, ErrDiskFull // the batch, and all of it that is written alone but for five
		}
		return send()
	}
	s.commit(round)
	for i, w := range round {
		if <-w.done; i < 5 {
			require.NoError(t, w.err)
		} else {
			require.ErrorIs(t, w.err, ErrDiskFull)
		}
	}
	s.ledger.faults.Send = nil
	require.NoError(t, s.Delete(t.Context(), "3", round[3].revision))
	require.NoError(t, l.Close(t.Context()))
	lose(t, dir, "notes.3") // as a sweep does, once nothing is left under the tombstone
	_, s = open(t, dir, byText)
	_, err := s.Get(t.Context(), "3")
	assert.ErrorIs(t, err, ErrNotFound)
}

// It was cut short itself: then the batch was not sent.
func TestAnIntentThatIsDamagedIsPassedOver(t *testing.T) {
	t.Parallel()
	dir, before, after := replacing(t)
	path := filepath.Join(dir, "intents", "notes")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	read := func(data []byte) []intent {
		f, err := os.CreateTemp(t.TempDir(), "")
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Write(data)
		require.NoError(t, err)
		newest, writes, replaced, err := (&intents{file: f}).read()
		require.NoError(t, err)
		if replaced != nil {
			assert.Equal(t, before, newest)
			assert.Equal(t, after-before, uint64(writes))
		}
		return replaced
	}
	require.Len(t, read(whole), 2*batchFrom-1)
	for n := range whole {
		require.Empty(t, read(whole[:n]), "%d bytes of it", n)
		damaged := append([]byte(nil), whole...)
		damaged[n] ^= 1
		require.Empty(t, read(damaged), "byte %d", n)
	}
	assert.Len(t, read(append(whole, "of a longer one before it"...)), 2*batchFrom-1)
}
