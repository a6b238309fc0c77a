package ledger

import (
	"slices"
)

// kind is what the committer and the index know of a store: not the type of its
// records.
type kind struct {
	name        string
	maxBytes    int
	usesReserve bool   // for new records
	version     uint64 // of its index; 0: it has none
	timed       bool   // its records have times
	describe    func(key string, value any) facts
	decode      func(data []byte) (value any, err error)
	observe     func(c *change) // may be nil
}

// indexLayout is the version of how indexes are stored.
const indexLayout = 2

// indexVersion is what the kind's index was made with.
func (k *kind) indexVersion() uint64 {
	if k.version == 0 {
		return 0
	}
	return indexLayout<<32 + k.version
}

// facts is what the store's config says of a record.
type facts struct {
	terms []string // sorted, each once
	live  bool
	at    int64 // its time
	sums  []Sum
	blobs []string // that it refers to or retains
}

// Terms of our own, beside those that the config names. A config's terms do not begin
// with this byte.
const (
	termAll      = "" // every record
	termLive     = "\x01live"
	termOfBlob   = "\x01blob="   // before a digest
	termRetained = "\x01retain=" // likewise
)

func describe[T any](cfg *StoreConfig[T], key string, v *T) (f facts) {
	if cfg.Index != nil {
		f.terms = cfg.Index(key, *v)
	}
	f.terms = append(f.terms, termAll)
	if f.live = cfg.Live != nil && cfg.Live(*v); f.live {
		f.terms = append(f.terms, termLive)
	}
	if cfg.Time != nil {
		f.at = stamp(cfg.Time(*v))
	}
	if cfg.Blobs != nil {
		f.blobs = cfg.Blobs(*v)
		for _, digest := range f.blobs {
			f.terms = append(f.terms, blobTerm(digest))
		}
	}
	if cfg.Retains != nil {
		retained := cfg.Retains(*v)
		f.blobs = append(f.blobs, retained...)
		for _, digest := range retained {
			f.terms = append(f.terms, retainTerm(digest))
		}
	}
	slices.Sort(f.terms)
	f.terms = slices.Compact(f.terms)
	if cfg.Sums != nil {
		f.sums = cfg.Sums(*v)
	}
	return f
}

// blobTerm has half of a digest, as bytes: there are millions, and no two share that.
// If two did, the file of one would be kept as long as the other's.
func blobTerm(digest string) string {
	k := keyOf(digest)
	return termOfBlob + string(k[:])
}

// retainTerm is blobTerm for a blob that a record retains.
func retainTerm(digest string) string {
	k := keyOf(digest)
	return termRetained + string(k[:])
}

// without returns the strings of a that are not in b. Both are sorted.
func without(a, b []string) (rest []string) {
	for _, s := range a {
		for len(b) > 0 && b[0] < s {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != s {
			rest = append(rest, s)
		}
	}
	return rest
}
