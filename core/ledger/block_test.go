package ledger

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestBlocksHoldWhatAConsumerGets writes, changes and deletes at random, more than
// fits a block, and reads the stream both ways: while it is open, after it was
// closed, and after what says what is in the blocks is gone, as after a crash.
func TestBlocksHoldWhatAConsumerGets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 4 {
		l, s := open(t, dir, byText)
		var writers errgroup.Group
		for w := range 32 {
			random := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			writers.Go(func() error { return writeAtRandom(t, s, random, fmt.Sprint(w)) })
		}
		require.NoError(t, writers.Wait())
		sameBothWays(t, s)
		require.NoError(t, l.Close(t.Context()))
		if round%2 == 1 {
			require.NoError(t, os.Remove(filepath.Join(l.streamFolder("notes"), "msgs", "index.db")))
		}
		l, s = open(t, dir, byText)
		sameBothWays(t, s)
		require.NoError(t, l.Close(t.Context()))
	}
}

func writeAtRandom(t *testing.T, s *Store[note], random *rand.Rand, prefix string) error {
	for range 100 {
		key := prefix + "-" + fmt.Sprint(random.IntN(20))
		value := note{strings.Repeat("x", random.IntN(4000)), random.Int()}
		e, err := s.Get(t.Context(), key)
		switch {
		case err != nil:
			_, err = s.Create(t.Context(), key, value)
		case random.IntN(4) == 0:
			err = s.Delete(t.Context(), key, e.Revision)
		default:
			_, err = s.Update(t.Context(), key, e.Revision, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sameBothWays(t *testing.T, s *Store[note]) {
	t.Helper()
	blocks, err := s.ledger.openBlocks(s.kind)
	require.NoError(t, err)
	defer closeBlocks(blocks)
	info, err := s.stream.Info(t.Context(), jetstream.WithDeletedDetails(true))
	require.NoError(t, err)
	require.Greater(t, len(blocks), 1)
	there := living{info.State.FirstSeq, info.State.LastSeq, info.State.Deleted}
	var got []string
	var buffer []byte
	for _, b := range blocks {
		buffer, err = b.read(buffer, func(m stored) error {
			if there.has(m.revision) {
				got = append(got, describe(m.revision, string(m.subject), string(m.header(headerChecksum)), string(m.header(headerDeleted)), m.data))
			}
			return nil
		})
		require.NoError(t, err)
	}
	require.Equal(t, consumed(t, s), got)
}

func describe(revision uint64, subject, sum, deleted string, data []byte) string {
	return fmt.Sprint(revision, subject, sum, deleted, checksum(data))
}

func consumed(t *testing.T, s *Store[note]) (all []string) {
	t.Helper()
	consumer, err := s.stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	require.NoError(t, err)
	messages, err := consumer.Messages()
	require.NoError(t, err)
	defer messages.Stop()
	for pending := uint64(1); pending > 0; {
		m, err := messages.Next()
		require.NoError(t, err)
		meta, err := m.Metadata()
		require.NoError(t, err)
		pending = meta.NumPending
		h := nats.Header(m.Headers())
		all = append(all, describe(meta.Sequence.Stream, m.Subject(), h.Get(headerChecksum), h.Get(headerDeleted), m.Data()))
	}
	return all
}

func TestALostBlockIsReported(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	for i := range 3 {
		_, err := s.Create(t.Context(), fmt.Sprint(i), note{"x", i})
		require.NoError(t, err)
	}
	require.NoError(t, s.replay(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(l.streamFolder("notes"), "msgs", "1.blk")))
	assert.ErrorIs(t, s.replay(t.Context()), ErrCorrupt)
}

// Each byte of a block is changed in turn. What is then read is reported as damaged, or is
// what was written.
func TestNoByteOfABlockChangesUnnoticed(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	for i := range 3 {
		_, err := s.Create(t.Context(), fmt.Sprint(i), note{"text", i})
		require.NoError(t, err)
	}
	path := filepath.Join(l.streamFolder("notes"), "msgs", "1.blk")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	info, err := s.stream.Info(t.Context())
	require.NoError(t, err)
	copied := filepath.Join(t.TempDir(), "1.blk")
	blocks, err := l.openBlocks("notes")
	require.NoError(t, err)
	defer closeBlocks(blocks)
	read := func() (all []replayed[note], err error) {
		f, err := os.Open(copied)
		require.NoError(t, err)
		defer f.Close()
		b := &batch[note]{block: block{f, blocks[0].key}}
		_, err = s.decodeBlock(b, nil, living{first: 1, last: info.State.LastSeq})
		return b.changes, err
	}
	require.NoError(t, os.WriteFile(copied, whole, 0o600))
	want, err := read()
	require.NoError(t, err)
	require.Len(t, want, 3)
	forgetful := living{first: 1, last: info.State.LastSeq - 1}
	_, err = s.decodeBlock(&batch[note]{block: blocks[0]}, nil, forgetful)
	require.ErrorIs(t, err, ErrCorrupt, "a message that JetStream has forgotten")
	reported := 0
	for at := range whole {
		for _, bit := range []byte{1, 0x40, 0x80} {
			damaged := bytes.Clone(whole)
			damaged[at] ^= bit
			require.NoError(t, os.WriteFile(copied, damaged, 0o600))
			got, err := read()
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				reported++
				continue
			}
			require.Equal(t, want, got, "byte %d, bit %x", at, bit)
		}
	}
	assert.Greater(t, reported, 3*len(whole)*9/10)
	require.NoError(t, os.WriteFile(copied, whole[:len(whole)-1], 0o600))
	_, err = read()
	assert.ErrorIs(t, err, ErrCorrupt, "cut short")
}
