package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	headerDeleted  = "Thresher-Deleted"  // the message is a tombstone
	headerChecksum = "Thresher-Checksum" // CRC-32C of the data, hex
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(data, castagnoli)), 16)
}

// stallWait is how long JetStream may take for the next record. It skips what
// fails its own checksum, and then waits for ever for what it had counted.
const stallWait = 5 * time.Second

// replay feeds the view from the stream.
func (s *Store[T]) replay(ctx context.Context) error {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return err
	}
	if err := s.replayMessages(ctx, info.State); err != nil {
		return err
	}
	s.view.Must(func(v *view[T]) { v.revision = info.State.LastSeq })
	return nil
}

func (s *Store[T]) replayMessages(ctx context.Context, state jetstream.StreamState) error {
	if state.Msgs == 0 {
		return nil
	}
	consumer, err := s.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(4096))
	if err != nil {
		return err
	}
	defer messages.Stop()
	last := uint64(0)
	for {
		m, err := messages.Next(jetstream.NextMaxWait(stallWait))
		if errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("%w: the store of %s yields nothing after revision %d, of %d", ErrCorrupt, s.kind, last, state.LastSeq)
		}
		if err != nil {
			return fmt.Errorf("read records: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := s.replayOne(m, meta.Sequence.Stream); err != nil {
			return err
		}
		last = meta.Sequence.Stream
		if meta.NumPending%1024 == 0 {
			s.ledger.progress(s.kind, state.Msgs-min(meta.NumPending, state.Msgs), state.Msgs)
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}

func (s *Store[T]) replayOne(m jetstream.Msg, revision uint64) error {
	c := Change[T]{
		Entry:   Entry[T]{Key: strings.TrimPrefix(m.Subject(), s.kind+"."), Revision: revision},
		Deleted: m.Headers().Get(headerDeleted) != "",
		Replay:  true,
	}
	if !c.Deleted {
		if want, got := m.Headers().Get(headerChecksum), checksum(m.Data()); want != got {
			return fmt.Errorf("%w: record %s at revision %d has checksum %s, want %s", ErrCorrupt, m.Subject(), revision, got, want)
		}
		if err := json.Unmarshal(m.Data(), &c.Value); err != nil {
			return fmt.Errorf("%w: record %s at revision %d: %w", ErrCorrupt, m.Subject(), revision, err)
		}
	}
	s.view.Must(func(v *view[T]) { c.Before = v.apply(c, s.cfg.Index) })
	if s.cfg.Observe != nil {
		s.cfg.Observe(c)
	}
	return nil
}

// lastMessage reads the newest message of a record from the stream.
func (s *Store[T]) lastMessage(key string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ackWait) // the committer's own
	defer cancel()
	return s.stream.GetLastMsgForSubject(ctx, s.kind+"."+key)
}
