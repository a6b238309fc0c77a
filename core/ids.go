package core

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"thresher/core/guard"
	"thresher/core/ledger"
)

// ids makes the ids of jobs, batches and bulks: each greater than all before it,
// whatever the clock does. They begin with the time; where the clock stands still or
// was set back, ids go on from the last one.
type ids struct {
	now  func() time.Time
	last *guard.Value[ulid.ULID]
}

func newIDs(now func() time.Time) ids {
	return ids{now, guard.New("ids", guard.RankEngine, ulid.ULID{})}
}

// after makes all further ids greater than one that is there already.
func (i ids) after(id string) {
	found, err := ulid.ParseStrict(id)
	if err != nil {
		return // not one of ours
	}
	i.last.Must(func(last *ulid.ULID) {
		if found.Compare(*last) > 0 {
			*last = found
		}
	})
}

func (i ids) next() string {
	id := ulid.ULID{}
	_ = id.SetTime(ulid.Timestamp(i.now())) // the year 10889 is the last that does not fit
	binary.BigEndian.PutUint64(id[6:], rand.Uint64())
	binary.BigEndian.PutUint16(id[14:], uint16(rand.Uint32()))
	i.last.Must(func(last *ulid.ULID) {
		if id.Time() <= last.Time() {
			id = following(*last)
		}
		*last = id
	})
	return id.String()
}

// following is a random distance after an id. Should the random part overflow, the
// time goes on by a millisecond: there are more of them than ids.
func following(id ulid.ULID) ulid.ULID {
	low := binary.BigEndian.Uint64(id[8:])
	step := 1 + uint64(rand.Uint32())
	binary.BigEndian.PutUint64(id[8:], low+step)
	if low+step < low { // carry
		binary.BigEndian.PutUint64(id[:8], binary.BigEndian.Uint64(id[:8])+1)
	}
	return id
}

// resumeIDs lets ids go on after the greatest of each kind of record, and returns when
// the newest job was submitted; zero if there is none.
func (e *Engine) resumeIDs(ctx context.Context) (newest time.Time, err error) {
	jobs, _, err := e.jobs.List(ctx, ledger.Query{Limit: 1})
	if err != nil {
		return newest, err
	}
	for _, entry := range jobs {
		newest = entry.Value.Created
	}
	return newest, errors.Join(resume(ctx, e.ids, e.jobs), resume(ctx, e.ids, e.batches), resume(ctx, e.ids, e.bulks))
}

// resume lets ids go on after the greatest of a store. It need not be the newest
// record's: of those that were made at once any can have been written last.
func resume[T any](ctx context.Context, i ids, s *ledger.Store[T]) error {
	for low := ""; ; {
		page, _, err := s.List(ctx, ledger.Query{Low: low, Limit: 1})
		if err != nil || len(page) == 0 {
			return err
		}
		i.after(page[0].Key)
		low = page[0].Key + "0" // the least key that is greater
	}
}
