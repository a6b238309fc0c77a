package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"

	"thresher/core/guard"
)

// references counts who needs which blob beside the records that name it: whoever put
// it and has not written its record yet, whoever reads it. A blob that nobody needs is
// removed, and until it is gone nobody can reference it: who wants it waits, and makes
// it anew. So a blob that was found and referenced cannot vanish, and one that is put
// at the moment of its removal is not lost with it.
type references struct {
	state   *guard.Value[referenceCounts]
	named   func(digest string) (bool, error) // a record refers to it, or retains it
	needed  func(digest string) (bool, error) // a record refers to it
	remove  func(digest string) error
	log     *slog.Logger
	pending sync.WaitGroup // removals under way
}

type referenceCounts struct {
	held     map[digestKey]holding
	removing map[digestKey]chan struct{} // closed when it is decided
	active   bool                        // what nobody needs is removed
	frozen   int                         // while it is not 0, nothing is
	deferred map[digestKey]string        // what was not removed for that
}

// holding is how many need a blob, and whether it is known to be there: whoever comes
// first may still be finding that out.
type holding struct {
	n    int32
	sure bool
}

// digestKey is the first half of a digest, in a quarter of its space: there are none
// that share it. If there were, the file of one would stay as long as the other's.
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

func newReferences(named, needed func(string) (bool, error), remove func(string) error, log *slog.Logger) *references {
	return &references{
		log: log, named: named, needed: needed, remove: remove,
		state: guard.New("blobs", guard.RankBlobs, referenceCounts{
			held: map[digestKey]holding{}, removing: map[digestKey]chan struct{}{}, deferred: map[digestKey]string{},
		}),
	}
}

// Hold keeps blobs that a record names, or that somebody else holds, and reports
// whether all of them are such. Each success needs a [Blobs.Release].
func (b *Blobs) Hold(digests ...string) (ok bool) {
	for i, d := range digests {
		if !b.references.hold(d) {
			b.Release(digests[:i]...)
			return false
		}
	}
	return true
}

func (r *references) hold(digest string) bool {
	if r.claim(digest, false) {
		return true
	}
	if named, err := r.named(digest); err != nil || !named {
		r.release(digest)
		return false
	}
	r.state.Must(func(s *referenceCounts) {
		h := s.held[keyOf(digest)]
		h.sure = true
		s.held[keyOf(digest)] = h
	})
	return true
}

// needs reports whether a record refers to a blob, or a caller holds it and it is known
// to exist.
func (r *references) needs(digest string) (needed bool) {
	r.state.Must(func(s *referenceCounts) { needed = s.held[keyOf(digest)].sure })
	if needed {
		return true
	}
	needed, err := r.needed(digest)
	return needed && err == nil
}

// claim counts one more who needs a blob, once a removal of the same content is over,
// and reports whether the blob is known to be there, or to come.
func (r *references) claim(digest string, comes bool) (sure bool) {
	for {
		var removing chan struct{}
		r.state.Must(func(s *referenceCounts) {
			k := keyOf(digest)
			if removing = s.removing[k]; removing == nil {
				h := s.held[k]
				sure = h.sure || comes
				s.held[k] = holding{h.n + 1, sure}
			}
		})
		if removing == nil {
			return sure
		}
		<-removing
	}
}

// Release lets go of blobs. Those that nobody needs are removed, a moment later.
func (b *Blobs) Release(digests ...string) {
	for _, d := range digests {
		b.references.release(d)
	}
}

func (r *references) release(digest string) {
	free := false
	r.state.Must(func(s *referenceCounts) {
		k := keyOf(digest)
		h := s.held[k]
		if h.n--; h.n <= 0 {
			delete(s.held, k)
			free = true
			return
		}
		s.held[k] = h
	})
	if free {
		r.dropLater(digest)
	}
}

// unreferenced tells of blobs that a record does not name any more.
func (b *Blobs) unreferenced(digests ...string) {
	for _, d := range digests {
		b.references.dropLater(d)
	}
}

func (r *references) dropLater(digest string) {
	active := false
	r.state.Must(func(s *referenceCounts) { active = s.active })
	if active {
		r.pending.Go(func() { r.drop(digest) })
	}
}

// drop removes a blob if nobody needs it.
func (r *references) drop(digest string) {
	k := keyOf(digest)
	mine := false
	r.state.Must(func(s *referenceCounts) {
		switch {
		case s.held[k].n > 0 || s.removing[k] != nil:
		case s.frozen > 0:
			s.deferred[k] = digest
		default:
			s.removing[k] = make(chan struct{})
			mine = true
		}
	})
	if !mine {
		return
	}
	if named, err := r.named(digest); err == nil && !named {
		if err := r.remove(digest); err != nil {
			r.log.Warn("blob not removed: the next start tries again", "error", err)
		}
	}
	r.state.Must(func(s *referenceCounts) {
		close(s.removing[k])
		delete(s.removing, k)
	})
}

// Freeze keeps every blob that is there until thaw is called, whether anybody needs it
// or not.
func (b *Blobs) Freeze() (thaw func()) {
	r := b.references
	r.state.Must(func(s *referenceCounts) { s.frozen++ })
	return sync.OnceFunc(func() {
		var deferred map[digestKey]string
		r.state.Must(func(s *referenceCounts) {
			if s.frozen--; s.frozen == 0 {
				deferred, s.deferred = s.deferred, map[digestKey]string{}
			}
		})
		for _, digest := range deferred {
			r.dropLater(digest)
		}
	})
}
