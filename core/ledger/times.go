package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The times of records, as the store's config gives them. They need not rise with the
// positions: the wall clock may have been set. What a block knows of them is the oldest
// and the newest, which say whether a query must look further; and the time of each
// place, which is on disk once the block is sealed, and read only where a bound of a
// query lies within the block.

// stamp is a time in nanoseconds. A time that does not fit becomes the least or the
// greatest stamp. No stamp is math.MaxInt64, which stands for no bound.
func stamp(t time.Time) int64 {
	switch seconds := t.Unix(); {
	case seconds <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	case seconds >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64 - 1
	}
	return t.UnixNano()
}

// span is the times that a query selects: from the first up to, and without, the last.
type span struct {
	bounded  bool
	from, to int64
}

func spanOf(q *Query) span {
	s := span{bounded: !q.From.IsZero() || !q.To.IsZero(), from: math.MinInt64, to: math.MaxInt64}
	if !q.From.IsZero() {
		s.from = stamp(q.From)
	}
	if !q.To.IsZero() {
		s.to = stamp(q.To)
	}
	return s
}

// meets reports whether any record of a block may be of the span, and covers whether
// all are.
func (s span) meets(b bounds) bool  { return !s.bounded || b.newest >= s.from && b.oldest < s.to }
func (s span) covers(b bounds) bool { return !s.bounded || b.oldest >= s.from && b.newest < s.to }

// during keeps the places of a set whose times are of the span.
func (s span) during(set *bitset, times []int64) {
	for place, at := range times {
		if at < s.from || at >= s.to {
			set.remove(uint16(place))
		}
	}
}

// bounds are the least and the greatest key and time of a block's records, those that
// were deleted included.
type bounds struct {
	min, max       string
	oldest, newest int64
}

func (b *bounds) extend(key string, at int64) {
	if b.min == "" {
		*b = bounds{key, key, at, at}
		return
	}
	b.min, b.max = min(b.min, key), max(b.max, key)
	b.oldest, b.newest = min(b.oldest, at), max(b.newest, at)
}

// The times of a block are stored as the difference of each to the one before.
func encodeTimes(times []int64) (b []byte) {
	last := int64(0)
	for _, at := range times {
		b = binary.AppendVarint(b, at-last) // it may overflow, and back again
		last = at
	}
	return b
}

func decodeTimes(b []byte) (times []int64, err error) {
	times = make([]int64, 0, blockSize)
	last := int64(0)
	for len(b) > 0 && len(times) < blockSize {
		step, n := binary.Varint(b)
		if n <= 0 {
			break
		}
		last += step
		times, b = append(times, last), b[n:]
	}
	if len(b) > 0 || len(times) == 0 {
		return nil, fmt.Errorf("%w: the times of a block", ErrCorrupt)
	}
	return times, nil
}

// readTimes reads the times of a sealed block.
func (k *kind) readTimes(from reader, block uint32) ([]int64, error) {
	b, closer, err := from.Get(k.timesKey(block))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, fmt.Errorf("%w: block %d has no times", ErrCorrupt, block)
	}
	if err != nil {
		return nil, storeError(err)
	}
	defer closer.Close()
	return decodeTimes(b)
}
