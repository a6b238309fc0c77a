package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// write is a change on its way to disk.
type write[T any] struct {
	key      string
	expected uint64 // revision it was decided on; 0: the record must not exist
	value    *T     // nil deletes
	data     []byte // value, encoded
	state    atomic.Int32
	unclear  bool // an attempt to write it got no answer: it may be there

	done     chan struct{} // closed when decided
	revision uint64        // set before done is closed
	err      error         // likewise
}

// The states of a write.
const (
	writeQueued int32 = iota
	writeTaken
	writeWithdrawn
)

const (
	// batchFrom is how many writes must be waiting to go out as one atomic
	// batch. A batch costs about as much as this many lone writes, whatever its
	// size, and a quarter of it where it is staged in memory and the processors are
	// busy with jobs: bench/versus measures.
	batchFrom       = 12
	batchFromMemory = 3

	batchMost = 256
	batchSize = 4 << 20 // bytes, so that a batch of large records stays quick
)

// ackWait is how long an answer may take before the write is looked up instead.
const ackWait = 10 * time.Second

// commitLoop is the only writer of the store's stream and of its view.
func (s *Store[T]) commitLoop() {
	var later []*write[T] // for a record that the round before wrote already
	for {
		round := later
		if len(round) == 0 {
			select {
			case w := <-s.writes:
				round = append(round, w)
			case <-s.ledger.quit:
				s.finish()
				return
			}
		}
		round = s.gather(round)
		round, later = distinct(round)
		s.commit(round)
	}
}

// finish writes what was queued before the ledger closed.
func (s *Store[T]) finish() {
	defer close(s.finished)
	defer s.intents.close()
	for {
		round := s.gather(nil)
		if len(round) == 0 {
			return
		}
		for _, w := range round {
			s.commit([]*write[T]{w})
		}
	}
}

// gather adds what waits, up to a batch.
func (s *Store[T]) gather(round []*write[T]) []*write[T] {
	size := 0
	for len(round) < batchMost && size < batchSize {
		select {
		case w := <-s.writes:
			round = append(round, w)
			size += len(w.data)
		default:
			return round
		}
	}
	return round
}

// distinct keeps one write of each record: the outcome of the first decides the
// second.
func distinct[T any](all []*write[T]) (first, later []*write[T]) {
	seen := make(map[string]bool, len(all))
	for _, w := range all {
		if seen[w.key] {
			later = append(later, w)
			continue
		}
		seen[w.key] = true
		first = append(first, w)
	}
	return first, later
}

// commit decides every write of a round.
func (s *Store[T]) commit(round []*write[T]) {
	round = s.take(round)
	if len(round) >= s.batchFrom {
		if s.publishBatch(round) {
			return
		}
		s.intents.void(s.ledger.log)
	}
	for _, w := range round {
		s.publishAlone(w)
	}
}

// take drops the writes that were withdrawn, and refuses those that are known to
// conflict without touching the disk.
func (s *Store[T]) take(round []*write[T]) []*write[T] {
	kept := round[:0]
	for _, w := range round {
		if !w.state.CompareAndSwap(writeQueued, writeTaken) {
			continue
		}
		var current uint64
		s.view.Must(func(v *view[T]) {
			if it := v.get(w.key); it != nil {
				current = it.revision
			}
		})
		if !s.ledger.faults.fits(current, w.expected) {
			w.decide(0, ErrConflict)
			continue
		}
		w.expected = current
		kept = append(kept, w)
	}
	return kept
}

func (w *write[T]) decide(revision uint64, err error) {
	w.revision, w.err = revision, err
	close(w.done)
}

// committed shows a write to readers, then to the observer, then to its writer.
func (s *Store[T]) committed(w *write[T], revision uint64) {
	c := Change[T]{Entry: Entry[T]{Key: w.key, Revision: revision}, Deleted: w.value == nil}
	var it *item[T]
	var terms []string
	if c.Deleted {
		s.tombstones.Add(1)
	}
	if w.value != nil {
		c.Value = *w.value
		it, terms = s.newItem(&c.Entry, w.data), s.terms(&c.Entry)
	}
	s.view.Must(func(v *view[T]) { c.Before = v.apply(c.Key, revision, it, terms) })
	if s.cfg.Observe != nil {
		s.cfg.Observe(c)
	}
	w.decide(revision, nil)
}

// message encodes a write over the last message of its subject.
func (s *Store[T]) message(w *write[T], last uint64) *nats.Msg {
	m := nats.NewMsg(s.kind + "." + w.key)
	m.Data = w.data
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last, 10))
	if w.value == nil {
		m.Header.Set(headerDeleted, "1")
	} else {
		m.Header.Set(headerChecksum, checksum(w.data))
	}
	return m
}

// publishBatch writes a round as one atomic batch and reports whether it was
// committed. Where it was not, nothing of it is there, or that is not known: its
// writes are then decided one by one.
func (s *Store[T]) publishBatch(round []*write[T]) bool {
	if err := writeDown(s.intents, s.Revision(), round); err != nil {
		return false
	}
	id := nuid.Next()
	for i, w := range round {
		m := s.message(w, w.expected)
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i < len(round)-1 {
			if err := s.ledger.conn.PublishMsg(m); err != nil {
				return false // the batch was not ended, so it is not there
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		last, err := s.send(m, len(round))
		if err != nil {
			for _, w := range round {
				w.unclear = errors.Is(err, errNoAnswer)
			}
			return false
		}
		for j, w := range round {
			s.committed(w, last-uint64(len(round)-1-j))
		}
	}
	return true
}

// publishAlone writes one record and decides its write, however long that takes.
func (s *Store[T]) publishAlone(w *write[T]) {
	last := w.expected
	for {
		revision, err := s.send(s.message(w, last), 1)
		switch {
		case err == nil:
			s.committed(w, revision)
			return
		case errors.Is(err, errNoAnswer):
			w.unclear = true
			if s.ledger.conn.IsClosed() {
				w.decide(0, ErrClosed)
				return
			}
		case errors.Is(err, ErrConflict):
			again, ok := s.lookAgain(w)
			if !ok {
				return
			}
			if again == last {
				w.decide(0, ErrConflict)
				return
			}
			last = again
		default:
			w.decide(0, err)
			return
		}
	}
}

// lookAgain finds out why the server refused a write that the view allows. Either
// the write is there, from an attempt that got no answer; or there is a tombstone,
// over which it may be written: then it returns the tombstone's sequence. Anything
// else is a conflict.
func (s *Store[T]) lookAgain(w *write[T]) (last uint64, ok bool) {
	m, err := s.lastMessage(w.key)
	for err != nil && w.unclear && !errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, nats.ErrNoResponders) && !s.ledger.conn.IsClosed() {
		m, err = s.lastMessage(w.key) // it may be there: nothing else can be said before that is known
	}
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, w.expected == 0
	case err != nil:
		w.decide(0, fmt.Errorf("look up: %w", err))
		return 0, false
	case s.ledger.Able() != nil: // it is there, and JetStream could not put it on disk
		w.decide(0, s.ledger.Able())
		return 0, false
	case w.unclear && m.Header.Get(headerDeleted) == "" && m.Header.Get(headerChecksum) == checksum(w.data),
		w.unclear && m.Header.Get(headerDeleted) != "" && w.value == nil:
		s.committed(w, m.Sequence)
		return 0, false
	case w.expected == 0 && m.Header.Get(headerDeleted) != "":
		return m.Sequence, true
	}
	w.decide(0, ErrConflict)
	return 0, false
}

// errNoAnswer is for a message that may or may not have been stored.
var errNoAnswer = errors.New("no answer from JetStream")

// The codes by which JetStream refuses a write. There are two for a conflict.
const (
	codeWrongLastSequence         = 10071
	codeWrongLastSequenceConstant = 10164
	codeStoreFailed               = 10077
	codeNoResources               = 10023
	codeStorageExceeded           = 10047
)

// send publishes the message that commits so many records.
func (s *Store[T]) send(m *nats.Msg, records int) (uint64, error) {
	if wrong := s.ledger.faults.Send; wrong != nil {
		return wrong(s.Revision()+uint64(records), func() (uint64, error) { return s.request(m) })
	}
	return s.request(m)
}

// request publishes a message and returns the sequence it got.
func (s *Store[T]) request(m *nats.Msg) (uint64, error) {
	if err := s.ledger.Able(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(s.ledger.able, ackWait)
	defer cancel()
	reply, err := s.ledger.conn.RequestMsgWithContext(ctx, m)
	if errors.Is(err, nats.ErrNoResponders) { // JetStream has shut itself off: nothing was stored
		return 0, fmt.Errorf("JetStream is off: the log has the reason: %w", err)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	var ack struct {
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return 0, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if ack.Error == nil {
		return ack.Sequence, nil
	}
	return 0, refusal(ack.Error)
}

// refusal says what JetStream's refusal of a write means.
func refusal(said *jetstream.APIError) error {
	switch said.ErrorCode {
	case codeWrongLastSequence, codeWrongLastSequenceConstant:
		return ErrConflict
	case codeStoreFailed, codeNoResources, codeStorageExceeded:
		if strings.Contains(said.Description, "no space") || said.ErrorCode != codeStoreFailed {
			return fmt.Errorf("%w: %w", ErrDiskFull, said)
		}
	}
	return said
}
