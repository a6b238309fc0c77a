package work

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"thresher/core/job"
)

// sampleEvery is how often what a running guest has left so far is put on disk, in
// case this process is killed.
const sampleEvery = time.Second

// sample is what is known of a running attempt. The log is a file beside it, which
// only grows; what the sample says of it holds for its first bytes.
type sample struct {
	Progress *job.Progress `json:"progress,omitempty"`
	Usage    job.Usage     `json:"usage"`
	LogBytes int64         `json:"log_bytes"`
	LogSum   uint32        `json:"log_sum"` // CRC-32 of those bytes
	Dropped  int64         `json:"dropped"`
}

// sampler writes the samples of one attempt. One goroutine uses it at a time. Nothing
// is synced: a kill of the process leaves the files whole, and after a power cut what
// does not fit its sums is left out.
type sampler struct {
	base string   // path of the files, without extension; empty: no samples
	log  *os.File // nil until there is a sample
	now  sample
	last []byte // as it was written
}

func sampleBase(dir, id string, epoch uint64) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, fmt.Sprintf("%s.%d", id, epoch))
}

// sampleUntilGone takes samples until the guest has ended.
func (a *attempt) sampleUntilGone() {
	defer close(a.sampled)
	if a.samples.base == "" {
		<-a.gone
		return
	}
	again := time.NewTicker(sampleEvery)
	defer again.Stop()
	for {
		select {
		case <-a.gone:
			return
		case <-again.C:
			if err := a.sample(); err != nil {
				a.pool.Log.Debug("running job not sampled", "job", a.granted.ID, "error", err)
			}
		}
	}
}

// sample puts on disk what is new. It leaves the reserve of the disk alone.
func (a *attempt) sample() error {
	if err := a.pool.Blobs.Room(); err != nil {
		return err
	}
	s := &a.samples
	if s.log == nil {
		f, err := os.OpenFile(s.base+".log", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		s.log = f
	}
	text, dropped := a.out.logFrom(s.now.LogBytes)
	n, err := s.log.Write(text)
	s.now.LogBytes += int64(n)
	s.now.LogSum = crc32.Update(s.now.LogSum, crc32.IEEETable, text[:n])
	if err != nil {
		return err
	}
	s.now.Dropped, s.now.Progress, s.now.Usage = dropped, a.out.Progress(), a.usage(a.meter.read())
	data, err := json.Marshal(s.now)
	if err != nil || bytes.Equal(data, s.last) {
		return err
	}
	if err := os.WriteFile(s.base+".new", withSum(data), 0o600); err != nil {
		return err
	}
	s.last = data
	return os.Rename(s.base+".new", s.base+".json")
}

// remove removes the samples: what they say is in the record.
func (s *sampler) remove() {
	if s.log == nil {
		return
	}
	_ = s.log.Close() // it is not needed any more
	for _, ext := range []string{".log", ".json", ".new"} {
		_ = os.Remove(s.base + ext) // the next start clears what stays
	}
}

func withSum(data []byte) []byte {
	return fmt.Appendf(data, "\n%08x\n", crc32.ChecksumIEEE(data))
}

// LastSample returns what an attempt of an earlier process had left when it was last
// sampled, with its log, which the caller closes; nil where it logged nothing. Of an
// attempt that was not sampled nothing is known.
func LastSample(dir, id string, epoch uint64) (left job.Left, log io.ReadCloser, err error) {
	base := sampleBase(dir, id, epoch)
	data, err := os.ReadFile(base + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return left, nil, nil
	}
	if err != nil {
		return left, nil, err
	}
	text, _, _ := strings.Cut(string(data), "\n")
	var s sample
	if err := json.Unmarshal([]byte(text), &s); err != nil || !bytes.Equal(data, withSum([]byte(text))) {
		return left, nil, fmt.Errorf("%s.json is damaged", base)
	}
	left = job.Left{Progress: s.Progress, Usage: s.Usage}
	if s.LogBytes == 0 && s.Dropped == 0 {
		return left, nil, nil
	}
	left.Log = &job.Log{Blob: job.Blob{Bytes: s.LogBytes}, Dropped: s.Dropped}
	log, err = openSampledLog(base+".log", s)
	return left, log, err
}

// openSampledLog opens the part of a log that a sample vouches for.
func openSampledLog(path string, s sample) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(sum, io.LimitReader(f, s.LogBytes))
	if err == nil && (n != s.LogBytes || sum.Sum32() != s.LogSum) {
		err = fmt.Errorf("%s is damaged: its first %d bytes do not fit their checksum", path, s.LogBytes)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, s.LogBytes), f}, nil
}
