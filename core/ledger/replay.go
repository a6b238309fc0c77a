package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
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

// replayMessages reads the stream in order. Decoding takes most of the time, so it
// is done by several at once, a batch each; the view takes the batches in order.
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
	workers := runtime.GOMAXPROCS(0)
	work, inOrder := make(chan *batch[T], workers), make(chan *batch[T], 2*workers)
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for b := range work {
				b.err = s.decodeAll(b.messages, state.LastSeq)
				close(b.decoded)
			}
			return nil
		})
	}
	group.Go(func() error { return s.applyAll(inOrder, state.Msgs) })
	err = s.read(messages, state, func(b *batch[T]) {
		work <- b
		inOrder <- b
	})
	close(work)
	close(inOrder)
	return cmp.Or(group.Wait(), err)
}

// batch is messages on their way into the view.
type batch[T any] struct {
	messages []message[T]
	pending  uint64 // messages behind it
	decoded  chan struct{}
	err      error // set before decoded is closed
}

type message[T any] struct {
	jetstream.Msg
	revision uint64
	change   Change[T]
	item     *item[T]
	terms    []string
}

const replayBatch = 256

// read hands the messages of the stream on, in batches.
func (s *Store[T]) read(messages jetstream.MessagesContext, state jetstream.StreamState, hand func(*batch[T])) error {
	last := uint64(0)
	for pending := uint64(1); pending > 0; {
		b := &batch[T]{messages: make([]message[T], 0, replayBatch), decoded: make(chan struct{})}
		for len(b.messages) < replayBatch && pending > 0 {
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
			last, pending = meta.Sequence.Stream, meta.NumPending
			b.messages = append(b.messages, message[T]{Msg: m, revision: last})
		}
		b.pending = pending
		hand(b)
	}
	return nil
}

// applyAll feeds the view. After an error it only takes what is handed on, so that
// the reader does not wait.
func (s *Store[T]) applyAll(batches <-chan *batch[T], total uint64) (err error) {
	for b := range batches {
		<-b.decoded
		if err = cmp.Or(err, b.err); err != nil {
			continue
		}
		s.view.Must(func(v *view[T]) {
			for i := range b.messages {
				m := &b.messages[i]
				m.change.Before = v.apply(m.change.Key, m.revision, m.item, m.terms)
			}
		})
		for i := range b.messages {
			if s.cfg.Observe != nil {
				s.cfg.Observe(b.messages[i].change)
			}
		}
		s.ledger.progress(s.kind, total-min(b.pending, total), total)
	}
	return err
}

func (s *Store[T]) decodeAll(messages []message[T], newest uint64) error {
	for i := range messages {
		if err := s.decodeOne(&messages[i], newest); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store[T]) decodeOne(m *message[T], newest uint64) error {
	c := Change[T]{
		Entry:   Entry[T]{Key: strings.TrimPrefix(m.Subject(), s.kind+"."), Revision: m.revision},
		Deleted: m.Headers().Get(headerDeleted) != "",
		Replay:  true,
	}
	if !c.Deleted {
		if want, got := m.Headers().Get(headerChecksum), checksum(m.Data()); want != got {
			return fmt.Errorf("%w: record %s at revision %d has checksum %s, want %s", ErrCorrupt, m.Subject(), m.revision, got, want)
		}
		if err := decode(m.Data(), &c.Value); err != nil {
			return fmt.Errorf("%w: record %s at revision %d: %w", ErrCorrupt, m.Subject(), m.revision, err)
		}
		m.item, m.terms = s.newItem(c.Entry, m.Data()), s.terms(c.Entry)
		if m.item.value == nil && m.revision+freshMost < newest {
			m.item.data, m.item.dict = s.packer.pack(m.item.data)
		}
	}
	m.change, m.Msg = c, nil
	return nil
}

// decode reads a record that this package wrote. It is three times as fast as
// encoding/json, which decides how long a start takes.
func decode(data []byte, into any) error { return json.Unmarshal(data, into) }

// lastMessage reads the newest message of a record from the stream.
func (s *Store[T]) lastMessage(key string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ackWait) // the committer's own
	defer cancel()
	return s.stream.GetLastMsgForSubject(ctx, s.kind+"."+key)
}
