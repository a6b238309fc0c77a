package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"

	"thresher/core/guard"
)

// holds counts who needs which blob. A blob that nobody holds any more is removed,
// and until it is gone nobody can hold it: who wants it waits, and makes it anew.
// So a blob that was found and held cannot vanish, and one that is put at the
// moment of its removal is not lost with it.
type holds struct {
	state   *guard.Value[holdCounts]
	remove  func(digest string) error
	log     *slog.Logger
	pending sync.WaitGroup // removals under way
}

type holdCounts struct {
	held   map[digestKey]int32         // there are millions
	going  map[digestKey]chan struct{} // being removed; closed when gone
	active bool                        // what nobody holds is removed
}

// digestKey is the first half of a digest, in a quarter of its space: there are none
// that share it. If there were, the file of one would stay until the next start.
type digestKey [sha256.Size / 2]byte

func keyOf(digest string) (k digestKey) {
	if len(digest) == hex.EncodedLen(sha256.Size) {
		if _, err := hex.Decode(k[:], []byte(digest[:2*len(k)])); err == nil {
			return k
		}
	}
	sum := sha256.Sum256([]byte(digest)) // it names no blob, but can be counted
	return digestKey(sum[:len(k)])
}

func newHolds(remove func(string) error, log *slog.Logger) *holds {
	return &holds{
		log:    log,
		state:  guard.New("blobs", guard.RankBlobs, holdCounts{held: map[digestKey]int32{}, going: map[digestKey]chan struct{}{}}),
		remove: remove,
	}
}

// Hold keeps blobs that are held already, by a record for example, and reports
// whether all of them are. Each success needs a [Blobs.Release].
func (b *Blobs) Hold(digests ...string) (ok bool) {
	b.holds.state.Must(func(s *holdCounts) {
		for _, d := range digests {
			if s.held[keyOf(d)] == 0 {
				return
			}
		}
		for _, d := range digests {
			s.held[keyOf(d)]++
		}
		ok = true
	})
	return ok
}

// Claim keeps blobs whether they are held already or not: for records, whose
// writer holds what they name until they are written.
func (b *Blobs) Claim(digests ...string) {
	b.holds.state.Must(func(s *holdCounts) {
		for _, d := range digests {
			s.held[keyOf(d)]++
		}
	})
}

// Release lets go of blobs. Those that nobody else holds are removed, a moment
// later.
func (b *Blobs) Release(digests ...string) {
	var free []string
	b.holds.state.Must(func(s *holdCounts) {
		for _, d := range digests {
			k := keyOf(d)
			if s.held[k]--; s.held[k] > 0 {
				continue
			}
			delete(s.held, k)
			if s.active {
				s.going[k] = make(chan struct{})
				free = append(free, d)
			}
		}
	})
	if len(free) == 0 {
		return
	}
	b.holds.pending.Go(func() {
		for _, d := range free {
			b.holds.drop(d)
		}
	})
}

func (h *holds) drop(digest string) {
	if err := h.remove(digest); err != nil {
		h.log.Warn("blob not removed: the next start tries again", "error", err)
	}
	h.state.Must(func(s *holdCounts) {
		k := keyOf(digest)
		close(s.going[k])
		delete(s.going, k)
	})
}

// sweep removes a blob if nobody holds it.
func (h *holds) sweep(digest string) {
	free := false
	h.state.Must(func(s *holdCounts) {
		k := keyOf(digest)
		if free = s.held[k] == 0 && s.going[k] == nil; free {
			s.going[k] = make(chan struct{})
		}
	})
	if free {
		h.drop(digest)
	}
}

// claimNew claims a blob that is about to get its place, once a removal of the
// same content is over.
func (h *holds) claimNew(digest string) {
	for {
		var going chan struct{}
		h.state.Must(func(s *holdCounts) {
			k := keyOf(digest)
			if going = s.going[k]; going == nil {
				s.held[k]++
			}
		})
		if going == nil {
			return
		}
		<-going
	}
}
