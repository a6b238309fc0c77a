package table_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/table"
)

// many is a table of a million rows, as the stream of a format.
func many(t *testing.T, format table.Format) []byte {
	t.Helper()
	s, err := table.Import(t.Context(), strings.NewReader("n,text\n"+strings.Repeat("1,abcdefgh\n", 1<<20)), table.CSV, t.TempDir(), nil)
	require.NoError(t, err)
	f, err := table.Open(s.Path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	var out bytes.Buffer
	if format == table.Arrow {
		require.NoError(t, table.WriteArrow(&out, f, 0, f.Rows()))
	} else {
		require.NoError(t, table.WriteCSV(&out, f, 0, f.Rows()))
	}
	return out.Bytes()
}

// The bound of memory is of what is unpacked at a time, not of all batches together.
func TestALongStreamTakesTheMemoryOfABatch(t *testing.T) {
	t.Parallel()
	const bound = 4 << 20
	stream := many(t, table.Arrow)
	require.Greater(t, len(stream), 4*bound)
	sealed, err := table.ImportWithin(t.Context(), bytes.NewReader(stream), table.Arrow, t.TempDir(), table.Bounds{Memory: bound}, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, sealed.Rows)
}

// An import asks before it reads, all along, and ends with the error that it is given.
func TestAnImportPausesAsItReads(t *testing.T) {
	t.Parallel()
	for _, format := range []table.Format{table.Arrow, table.CSV} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			stream, asked, most := many(t, format), 0, 0
			pause := func(n int) error {
				asked += n
				most = max(most, n)
				return nil
			}
			_, err := table.ImportWithin(t.Context(), bytes.NewReader(stream), format, t.TempDir(), table.Bounds{Pause: pause}, nil)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, asked, 2*len(stream)*9/10, "to take it in, and to read it")
			assert.LessOrEqual(t, most, 2<<20)
			why := errors.New("enough")
			left := asked - 3<<20
			_, err = table.ImportWithin(t.Context(), bytes.NewReader(stream), format, t.TempDir(), table.Bounds{Pause: func(n int) error {
				if left -= n; left < 0 {
					return why
				}
				return nil
			}}, nil)
			assert.ErrorIs(t, err, why)
		})
	}
}
