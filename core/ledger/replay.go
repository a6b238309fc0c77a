package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
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

// replay feeds the view from the stream, which nobody writes to yet.
func (s *Store[T]) replay(ctx context.Context) error {
	blocks, err := s.ledger.openBlocks(s.kind)
	if err != nil {
		return err
	}
	defer closeBlocks(blocks)
	info, err := s.stream.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return err
	}
	read, err := s.replayBlocks(blocks, info.State)
	if err != nil {
		return err
	}
	if read != info.State.Msgs {
		return fmt.Errorf("%w: the store of %s has %d records, of which %d were found", ErrCorrupt, s.kind, info.State.Msgs, read)
	}
	s.view.Must(func(v *view[T]) { v.revision = info.State.LastSeq })
	return nil
}

// replayBlocks reads the blocks of a stream, and returns how many messages there
// were. A block is decoded, several at once; then the view takes it, and then the
// observer, in order. Each of the three has work for a processor.
func (s *Store[T]) replayBlocks(blocks []block, state jetstream.StreamState) (read uint64, err error) {
	there := living{state.FirstSeq, state.LastSeq, state.Deleted}
	workers := runtime.GOMAXPROCS(0)
	under := 4 * workers // how many may be under way
	work, inOrder, seen := make(chan *batch[T], under), make(chan *batch[T], under), make(chan *batch[T], under)
	free := make(chan *batch[T], under)
	for range under {
		free <- &batch[T]{}
	}
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			var buffer []byte
			for b := range work {
				buffer, b.err = s.decodeBlock(b, buffer, there)
				close(b.decoded)
			}
			return nil
		})
	}
	group.Go(func() error { defer close(seen); return s.applyAll(inOrder, seen) })
	group.Go(func() error { read = s.observeAll(seen, free, state.Msgs); return nil })
	for _, one := range blocks {
		b := <-free // with what it has allocated
		b.block, b.decoded, b.changes = one, make(chan struct{}), b.changes[:0]
		work <- b
		inOrder <- b
	}
	close(work)
	close(inOrder)
	err = group.Wait()
	return read, err
}

// batch is a block on its way into the view.
type batch[T any] struct {
	block   block
	decoded chan struct{}
	changes []replayed[T] // set before decoded is closed
	err     error         // likewise
}

type replayed[T any] struct {
	change Change[T]
	item   *item[T]
	terms  []string
}

// replayHold is how many records the view takes before it gives its lock back.
const replayHold = 256

// applyAll feeds the view. After an error it only passes on what comes, with nothing
// in it, so that nobody waits.
func (s *Store[T]) applyAll(batches <-chan *batch[T], seen chan<- *batch[T]) (err error) {
	for b := range batches {
		<-b.decoded
		if err = cmp.Or(err, b.err); err != nil {
			b.changes = b.changes[:0]
		}
		for some := range slices.Chunk(b.changes, replayHold) {
			s.view.Must(func(v *view[T]) {
				for i := range some {
					r := &some[i]
					if r.change.Deleted {
						s.tombstones.Add(1)
					}
					r.change.Before = v.apply(r.change.Key, r.change.Revision, r.item, r.terms)
				}
			})
		}
		seen <- b
	}
	return err
}

// observeAll tells the observer, and returns how many messages there were.
func (s *Store[T]) observeAll(seen <-chan *batch[T], free chan<- *batch[T], total uint64) (read uint64) {
	for b := range seen {
		if s.cfg.Observe != nil {
			for i := range b.changes { // not a copy of each: they are large
				s.cfg.Observe(b.changes[i].change)
			}
		}
		if read += uint64(len(b.changes)); len(b.changes) > 0 { // of an empty block there is nothing to tell
			s.ledger.progress(s.kind, min(read, total), total)
		}
		free <- b
	}
	return read
}

func (s *Store[T]) decodeBlock(b *batch[T], buffer []byte, there living) ([]byte, error) {
	return b.block.read(buffer, func(m stored) error {
		if m.revision > there.last { // its index of the blocks was out of date, and it believed it
			return fmt.Errorf("%w: a block of %s has revision %d, and JetStream knows of %d only", ErrCorrupt, s.kind, m.revision, there.last)
		}
		if !there.has(m.revision) {
			return nil
		}
		b.changes = append(b.changes, replayed[T]{})
		return s.decodeOne(m, there.last, &b.changes[len(b.changes)-1])
	})
}

func (s *Store[T]) decodeOne(m stored, newest uint64, r *replayed[T]) error {
	r.change = Change[T]{
		Entry:   Entry[T]{Key: strings.TrimPrefix(string(m.subject), s.kind+"."), Revision: m.revision},
		Deleted: m.header(headerDeleted) != nil,
		Replay:  true,
	}
	if r.change.Deleted {
		return nil
	}
	if want, got := m.header(headerChecksum), checksum(m.data); string(want) != got {
		return fmt.Errorf("%w: record %s at revision %d has checksum %s, want %s", ErrCorrupt, m.subject, m.revision, got, want)
	}
	if err := s.decodeValue(m.data, &r.change.Value); err != nil {
		return fmt.Errorf("%w: record %s at revision %d: %w", ErrCorrupt, m.subject, m.revision, err)
	}
	r.item, r.terms = s.newItem(&r.change.Entry, m.data), s.terms(&r.change.Entry)
	switch {
	case r.item.value != nil:
	case m.revision+freshMost < newest:
		r.item.data, r.item.dict = s.packer.pack(m.data)
	default:
		r.item.data = bytes.Clone(m.data)
	}
	return nil
}

// decodeValue decodes a record that is read at the start: of one at rest, what will
// be looked at.
func (s *Store[T]) decodeValue(data []byte, into *T) error {
	if s.cfg.Brief != nil {
		if err := s.cfg.Brief(data, into); err != nil {
			return err
		}
		if s.cfg.Rest(*into) {
			return nil
		}
		*into = *new(T)
	}
	return decode(data, into)
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
