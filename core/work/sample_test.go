package work

import (
	"encoding/json"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/job"
)

// writeSample puts a sample on disk as a running attempt does.
func writeSample(t *testing.T, dir, log string, s sample) {
	t.Helper()
	base := sampleBase(dir, "J", 7)
	s.LogBytes, s.LogSum = int64(len(log)), crc32.ChecksumIEEE([]byte(log))
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(base+".json", withSum(data), 0o600))
	require.NoError(t, os.WriteFile(base+".log", []byte(log), 0o600))
}

func TestTheLastSampleIsWhatWasWritten(t *testing.T) {
	for _, log := range []string{"", "a line\nand another\n"} {
		dir := t.TempDir()
		s := sample{Progress: &job.Progress{Fraction: 0.25}, Usage: job.Usage{CPUSeconds: 2}}
		writeSample(t, dir, log, s)
		if f, err := os.OpenFile(filepath.Join(dir, "J.7.log"), os.O_APPEND|os.O_WRONLY, 0); assert.NoError(t, err) {
			_, err = f.WriteString("written after the sample")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		left, r, err := LastSample(dir, "J", 7)
		require.NoError(t, err)
		assert.Equal(t, s.Progress, left.Progress)
		assert.Equal(t, s.Usage, left.Usage)
		if log == "" {
			assert.Nil(t, left.Log)
			assert.Nil(t, r)
			continue
		}
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		assert.Equal(t, log, string(text))
		assert.EqualValues(t, len(log), left.Log.Bytes)
	}
}

func TestAnotherAttemptHasNoSample(t *testing.T) {
	dir := t.TempDir()
	writeSample(t, dir, "text", sample{})
	for _, epoch := range []uint64{6, 8} {
		left, r, err := LastSample(dir, "J", epoch)
		require.NoError(t, err)
		assert.Nil(t, r)
		assert.Equal(t, job.Left{}, left)
	}
}

// One bit of any file that is flipped, and any file that is cut, is an error, and no
// text comes of it.
func TestADamagedSampleIsNotRead(t *testing.T) {
	log := "a line\n"
	whole := t.TempDir()
	writeSample(t, whole, log, sample{Progress: &job.Progress{Message: "m"}})
	for _, name := range []string{"J.7.json", "J.7.log"} {
		data, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		for at := range data {
			for what, damaged := range map[string][]byte{
				"flipped": append(append(append([]byte{}, data[:at]...), data[at]^4), data[at+1:]...),
				"cut":     data[:at],
			} {
				dir := t.TempDir()
				writeSample(t, dir, log, sample{Progress: &job.Progress{Message: "m"}})
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), damaged, 0o600))
				_, r, err := LastSample(dir, "J", 7)
				require.Error(t, err, "%s %s at %d", name, what, at)
				require.Nil(t, r)
			}
		}
	}
}
