package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"thresher/core/guard"
)

// Store keeps the records of one kind. Its methods may be called concurrently.
type Store[T any] struct {
	ledger *Ledger
	kind   string
	cfg    StoreConfig[T]
	stream jetstream.Stream
	view   *guard.Value[view[T]]
	packer *packer

	batchFrom int // how many writes must wait to go out as one batch
	writes    chan *write[T]
	intents   *intents // only the committer, and before it the start, uses it

	tombstones atomic.Int64 // there are, or were when they were last cleared away and since

	finished chan struct{} // closed when the committer has ended
}

// StoreConfig says what is done with each record.
type StoreConfig[T any] struct {
	// Index lists the terms that List and Count can select a record by. It
	// depends on nothing else: it is asked again when the record changes. May be
	// nil.
	Index func(key string, v T) []string
	// Rest reports that a record will hardly change any more. It is then kept in
	// memory as compressed JSON. May be nil: none is at rest.
	Rest func(v T) bool
	// Brief decodes of a record what Index and Rest look at, and what Observe looks
	// at in a record at rest that is replayed. It makes a start faster, and needs
	// Rest. May be nil: the whole record is decoded.
	Brief func(data []byte, into *T) error
	// Observe is called with every change in commit order, by one goroutine,
	// after the view shows the change and before the writer is told. It must
	// not block and must not write to the store. May be nil.
	Observe func(Change[T])
}

// Entry is a record and its revision.
type Entry[T any] struct {
	Key      string
	Revision uint64
	Value    T // shared: must not be changed in place
}

// Change is a committed write.
type Change[T any] struct {
	Entry[T]
	Deleted bool // Value is the zero value
	Replay  bool // it was committed by an earlier process
	Before  *T   // what the record was; nil if it was not there
}

// Query selects records by terms, in the order of their keys.
type Query struct {
	Terms     []string // all must hold
	Before    string   // where the page before ended; empty for the first page
	Low, High string   // if not empty, the bounds of the keys, both within
	Limit     int      // default 100
	Ascending bool     // default: the highest key, for ids that is the newest, first
}

var keyPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,160}$`)

// queued bounds the writes that wait: more writers than that wait to be queued.
const queued = 1024

// OpenStore opens the store of a kind, and reads it whole before it returns.
func OpenStore[T any](ctx context.Context, l *Ledger, kind string, cfg StoreConfig[T]) (*Store[T], error) {
	packer := &packer{}
	s := &Store[T]{
		packer: packer,

		batchFrom: batchFrom,
		ledger:    l,
		kind:      kind,
		cfg:       cfg,
		view:      guard.New("view "+kind, guard.RankView, newView(cfg.Index, packer)),
		writes:    make(chan *write[T], queued),

		finished: make(chan struct{}),
	}
	var err error
	s.stream, err = l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:               kind,
		Subjects:           []string{kind + ".*"},
		Storage:            jetstream.FileStorage,
		MaxMsgsPerSubject:  1,
		AllowAtomicPublish: true,
		AllowMsgTTL:        true, // tombstones had one once: it cannot be taken back
		AllowDirect:        true,
	})
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", kind, err)
	}
	if l.stageInMemory(kind) {
		s.batchFrom = batchFromMemory
	}
	if s.intents, err = l.openIntents(kind); err != nil {
		return nil, fmt.Errorf("open store %s: %w", kind, err)
	}
	err = s.redo(ctx)
	if err == nil {
		err = s.replay(ctx)
	}
	if err != nil {
		s.intents.close()
		return nil, fmt.Errorf("open store %s: %w", kind, err)
	}
	l.committers.Go(func() error { s.commitLoop(); return nil })
	l.committers.Go(func() error { s.sweepLoop(); return nil })
	return s, nil
}

// Create writes a record that must not exist, and returns its revision or
// ErrExists, or ErrDiskFull where there is no room for new work.
func (s *Store[T]) Create(ctx context.Context, key string, v T) (uint64, error) {
	if err := s.ledger.Room(); err != nil {
		return 0, fmt.Errorf("%s %s: %w", s.kind, key, err)
	}
	revision, err := s.write(ctx, key, 0, &v)
	if errors.Is(err, ErrConflict) {
		return 0, fmt.Errorf("%s %s: %w", s.kind, key, ErrExists)
	}
	return revision, err
}

// Update writes a record over the revision it was decided on, and returns the new
// revision, or ErrConflict if the record has moved on.
func (s *Store[T]) Update(ctx context.Context, key string, revision uint64, v T) (uint64, error) {
	if revision == 0 {
		return 0, fmt.Errorf("%s %s: update of revision 0: %w", s.kind, key, ErrConflict)
	}
	return s.write(ctx, key, revision, &v)
}

// Delete removes a record at a revision, or returns ErrConflict.
func (s *Store[T]) Delete(ctx context.Context, key string, revision uint64) error {
	if revision == 0 {
		return fmt.Errorf("%s %s: delete of revision 0: %w", s.kind, key, ErrConflict)
	}
	_, err := s.write(ctx, key, revision, nil)
	return err
}

// Get returns a record, or ErrNotFound.
func (s *Store[T]) Get(ctx context.Context, key string) (Entry[T], error) {
	found, err := s.look(ctx, key)
	if err != nil {
		return Entry[T]{}, err
	}
	return read(s.ledger.faults, found).Entry(), nil
}

func (s *Store[T]) look(ctx context.Context, key string) (found Found[T], err error) {
	err = s.view.Do(ctx, func(v *view[T]) {
		if it := v.get(key); it != nil {
			found = it.found()
		}
	})
	if err == nil && found.Key == "" {
		err = fmt.Errorf("%s %s: %w", s.kind, key, ErrNotFound)
	}
	return found, err
}

// Verify holds what is in memory of a record against what is on disk, and returns
// an error that wraps ErrCorrupt if they differ at one revision, or ErrNotFound.
func (s *Store[T]) Verify(ctx context.Context, key string) error {
	for start := time.Now(); time.Since(start) < ackWait; {
		found, err := s.look(ctx, key)
		if err != nil {
			return err
		}
		m, err := s.lastMessage(key)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		if again, err := s.look(ctx, key); err != nil || again.Revision != found.Revision {
			continue // it was written meanwhile
		}
		if m != nil && m.Sequence > found.Revision && time.Since(start) < ackWait/2 {
			continue // a write is on disk, and its answer on the way to the committer
		}
		return s.compare(found, m)
	}
	return nil // it is written all the time
}

func (s *Store[T]) compare(entry Found[T], m *jetstream.RawStreamMsg) error {
	if m == nil {
		return fmt.Errorf("%w: %s %s is not on disk", ErrCorrupt, s.kind, entry.Key)
	}
	if m.Sequence != entry.Revision {
		return fmt.Errorf("%w: %s %s is at revision %d, on disk at %d", ErrCorrupt, s.kind, entry.Key, entry.Revision, m.Sequence)
	}
	data := checksum(entry.AppendJSON(nil))
	if data != m.Header.Get(headerChecksum) || data != checksum(m.Data) {
		return fmt.Errorf("%w: %s %s differs from what is on disk", ErrCorrupt, s.kind, entry.Key)
	}
	return nil
}

// List returns a page, and where the next one starts: empty at the end.
func (s *Store[T]) List(ctx context.Context, q Query) (page []Entry[T], next string, err error) {
	found, err := s.Find(ctx, q)
	page = make([]Entry[T], len(found.Records))
	for i, f := range found.Records {
		page[i] = f.Entry()
	}
	return page, found.Next, err
}

// Page is what Find found.
type Page[T any] struct {
	Records []Found[T]
	Next    string // where the next page starts; empty at the end
	// Revision is the newest that was committed when the page was found: as long as
	// it is the newest, the page is the same. It is 0 if writes came between.
	Revision uint64
}

// Find is List without decoding. Where it has to look through more than some
// hundred thousand records for a page, writes come between.
func (s *Store[T]) Find(ctx context.Context, q Query) (p Page[T], err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	from, moments := q.Before, 0
	for more := true; more && err == nil; moments++ {
		err = s.view.Do(ctx, func(v *view[T]) {
			if p.Records == nil {
				p.Records = make([]Found[T], 0, min(q.Limit+1, v.n))
			}
			p.Records, from, more = v.find(q, from, p.Records)
			p.Revision = v.revision
		})
	}
	if moments > 1 {
		p.Revision = 0
	}
	if len(p.Records) > q.Limit {
		p.Records = p.Records[:q.Limit]
		p.Next = p.Records[q.Limit-1].Key
	}
	for i, f := range p.Records {
		p.Records[i] = read(s.ledger.faults, f)
	}
	return p, err
}

// Count returns how many records have a term. The empty term counts all.
func (s *Store[T]) Count(ctx context.Context, term string) (int, error) {
	counts, err := s.Counts(ctx, term)
	return counts[0], err
}

// Counts returns how many records have each of some terms, at one moment.
func (s *Store[T]) Counts(ctx context.Context, terms ...string) ([]int, error) {
	counts := make([]int, len(terms))
	err := s.view.Do(ctx, func(v *view[T]) {
		for i, term := range terms {
			counts[i] = v.count(term)
		}
	})
	return counts, err
}

// Snapshot returns every record as it is at one moment, in the order of keys.
func (s *Store[T]) Snapshot(ctx context.Context) (all []Found[T], err error) {
	err = s.view.Do(ctx, func(v *view[T]) {
		all = make([]Found[T], 0, v.n)
		for _, c := range v.chunks {
			for _, it := range c.items {
				all = append(all, it.found())
			}
		}
	})
	return all, err
}

// CountQuery returns how many records a query selects. Its limit does not matter.
func (s *Store[T]) CountQuery(ctx context.Context, q Query) (n int, err error) {
	q.Limit = 1000 // a page at a time, so that writes can come between
	for {
		page, err := s.Find(ctx, q)
		if n += len(page.Records); err != nil || page.Next == "" {
			return n, err
		}
		q.Before = page.Next
	}
}

// Revision returns the newest committed revision.
func (s *Store[T]) Revision() (revision uint64) {
	s.view.Must(func(v *view[T]) { revision = v.revision })
	return revision
}

// write queues a write and waits until it is decided. A nil value deletes. ctx
// can take it back only while it is queued: once it is on its way, the answer is
// the truth, not a guess.
func (s *Store[T]) write(ctx context.Context, key string, revision uint64, v *T) (uint64, error) {
	if !keyPattern.MatchString(key) {
		return 0, fmt.Errorf("%s: key %q: want up to 160 letters, digits, dashes and underscores", s.kind, key)
	}
	w := &write[T]{key: key, expected: revision, value: v, done: make(chan struct{})}
	if v != nil {
		data, err := json.Marshal(v)
		if err != nil {
			return 0, fmt.Errorf("%s %s: %w", s.kind, key, err)
		}
		w.data = data
	}
	select {
	case s.writes <- w:
	case <-s.ledger.quit:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case <-w.done:
	case <-s.finished: // it was queued after the committer had ended, or was its last
		if w.state.CompareAndSwap(writeQueued, writeWithdrawn) {
			return 0, ErrClosed
		}
	case <-ctx.Done():
		if w.state.CompareAndSwap(writeQueued, writeWithdrawn) {
			return 0, context.Cause(ctx)
		}
	}
	<-w.done
	if w.err != nil {
		return 0, fmt.Errorf("%s %s: %w", s.kind, key, w.err)
	}
	return w.revision, nil
}

// newItem makes what the view keeps of a record.
func (s *Store[T]) newItem(e *Entry[T], data []byte) *item[T] {
	it := &item[T]{key: e.Key, revision: e.Revision}
	if s.cfg.Rest != nil && s.cfg.Rest(e.Value) {
		it.data = data
	} else {
		value := e.Value
		it.value = &value
	}
	return it
}

// terms lists what a record is indexed under.
func (s *Store[T]) terms(e *Entry[T]) []string {
	if s.cfg.Index == nil {
		return nil
	}
	return s.cfg.Index(e.Key, e.Value)
}
