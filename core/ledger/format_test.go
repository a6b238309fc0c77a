package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// How long tests wait for what happens in another goroutine.
const (
	waits = time.Minute
	tick  = 10 * time.Millisecond
)

// A folder of another format is refused with what to do, and left as it is.
func TestAFolderOfAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	write := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		is   error
		says string
	}{
		"newer":                  {write("format", "3\n"), ErrNewerFormat, "format is 3, this version reads 2: use the newer version"},
		"of_a_message_broker":    {write("records/jetstream/x", ""), ErrOlderFormat, "beside it, `thresher backup FILE`; then stop it and, with this version, run `thresher restore FILE --data NEW_FOLDER`"},
		"not_a_number":           {write("format", "two"), ErrCorrupt, `"two": want the number 2`},
		"a_number_of_no_version": {write("format", "1\n"), ErrCorrupt, "want the number 2"},
		"without_the_file":       {write("records/x", ""), ErrCorrupt, "is missing beside records"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.make(t, dir)
			before := files(t, dir)
			_, err := Open(t.Context(), Config{Dir: dir})
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.says)
			assert.Subset(t, append(before, filepath.Join(dir, "lock")), files(t, dir))
		})
	}
}

// What was acknowledged is missing though every file is whole: an older copy of the
// records was put in their place.
func TestAShorterHistoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := closedStore(t)
	old := clone(t, filepath.Join(dir, storeFolder))
	l, s := open(t, dir, byText)
	fill(t, s, 10, 10, damageNote)
	require.NoError(t, l.Close(t.Context()))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, storeFolder)))
	require.NoError(t, os.CopyFS(filepath.Join(dir, storeFolder), os.DirFS(old)))
	_, err := Open(t.Context(), Config{Dir: dir})
	require.ErrorIs(t, err, ErrCorrupt)
	assert.ErrorContains(t, err, "the records end at revision 10, and revision 20 was acknowledged")
	assert.ErrorContains(t, err, "thresher restore")
}

func TestASecondProcessIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := open(t, dir, byText)
	_, err := Open(t.Context(), Config{Dir: dir})
	require.ErrorIs(t, err, ErrLocked)
	assert.ErrorContains(t, err, dir)
	require.NoError(t, l.Close(t.Context()))
	open(t, dir, byText)
}
