package ledger

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A record that was read stays in memory although other kinds are written all the time,
// and not if its own kind was: it may be out of date.
func TestWhatWasReadIsRememberedUnlessItsKindWasWritten(t *testing.T) {
	for _, c := range []struct {
		written    string
		remembered bool
	}{{"others", true}, {"notes", false}} {
		t.Run(c.written, func(t *testing.T) {
			l, notes := open(t, t.TempDir(), byText)
			others, err := OpenStore(t.Context(), l, "others", byText)
			require.NoError(t, err)
			_, err = notes.Create(t.Context(), "a", note{Text: "a"})
			require.NoError(t, err)
			forget(l, "notes", "a")
			var snap *snapshot
			l.view.Must(func(v *view) { snap = v.at.reference() })
			defer snap.release()
			it, err := notes.kind.read(snap, "a")
			require.NoError(t, err)
			store := map[string]*Store[note]{"others": others, "notes": notes}[c.written]
			_, err = store.Create(t.Context(), "b", note{Text: "b"})
			require.NoError(t, err)
			notes.remember(snap, it)
			l.view.Must(func(v *view) { assert.Equal(t, c.remembered, v.kinds["notes"].get("a") != nil) })
		})
	}
}

// forget drops a record from memory.
func forget(l *Ledger, kind, key string) {
	l.view.Must(func(v *view) {
		k := v.kinds[kind]
		k.cold.remove(k.byKey[key])
	})
}

// A key after all others is of a new record, which is not looked for on disk; one that
// is not, or was deleted, or was there before the store was opened, is.
func TestTheLastKeyIsKnown(t *testing.T) {
	dir := t.TempDir()
	last := func(l *Ledger) (key string) {
		l.view.Must(func(v *view) { key = v.kinds["notes"].last })
		return key
	}
	l, s := open(t, dir, byText)
	assert.Empty(t, last(l))
	for _, key := range []string{"b", "c", "a"} {
		_, err := s.Create(t.Context(), key, note{Text: key})
		require.NoError(t, err)
	}
	assert.Equal(t, "c", last(l))
	require.NoError(t, l.Close(t.Context()))
	l, s = open(t, dir, byText)
	assert.Equal(t, "c", last(l))
	for _, key := range []string{"a", "b", "c"} {
		forget(l, "notes", key)
		_, err := s.Create(t.Context(), key, note{})
		require.ErrorIs(t, err, ErrExists)
	}
}

// That no record has a key is remembered, until one has.
func TestAnAbsentKeyIsRememberedUntilItIsCreated(t *testing.T) {
	l, s := open(t, t.TempDir(), byText)
	remembered := func() (is bool) {
		l.view.Must(func(v *view) { is = v.kinds["notes"].absent.Contains("a") })
		return is
	}
	for range 2 {
		_, err := s.Get(t.Context(), "a")
		require.ErrorIs(t, err, ErrNotFound)
		assert.True(t, remembered())
	}
	_, err := s.Create(t.Context(), "a", note{Text: "a"})
	require.NoError(t, err)
	assert.False(t, remembered())
	found, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "a", found.Value.Text)
	_, err = s.Modify(t.Context(), "a", func(*note) (*note, error) { return nil, nil })
	require.NoError(t, err)
	_, err = s.Get(t.Context(), "a")
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, l.Close(t.Context()))
	_, err = s.Get(t.Context(), "a")
	require.ErrorIs(t, err, ErrClosed)
}
