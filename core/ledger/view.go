package ledger

import (
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// view is what readers see: the store as of the newest commit that is on disk, the
// records that may still change, and the index of the blocks that may still change.
// It can be thrown away and read again. The ledger's lock guards it; only the
// committer changes it.
type view struct {
	at       *snapshot
	revision uint64
	kinds    map[string]*kindView
}

// snapshot is the store at one revision. It is closed when the last reader is done.
type snapshot struct {
	*pebble.Snapshot
	revision uint64
	readers  atomic.Int32 // the view counts as one until it moves on
	ledger   *Ledger
}

func (l *Ledger) newSnapshot(revision uint64) *snapshot {
	l.reading.Add(1)
	s := &snapshot{Snapshot: l.db.NewSnapshot(), revision: revision, ledger: l}
	s.readers.Store(1)
	return s
}

// reference keeps the snapshot open until release. It is called with the view's lock
// held, so that the view's own reference is there.
func (s *snapshot) reference() *snapshot {
	s.readers.Add(1)
	return s
}

func (s *snapshot) release() {
	if s.readers.Add(-1) > 0 {
		return
	}
	first := false
	s.ledger.unread.Must(func(unread *[]*snapshot) {
		first = len(*unread) == 0
		*unread = append(*unread, s)
	})
	if first {
		go s.ledger.closeUnread()
	}
}

// closeUnread closes the snapshots that nobody reads any more. It is not for a reader
// to do: the store below may want to merge files then, and waits for a write of its
// list of files, which waits where the disk is full or has failed.
func (l *Ledger) closeUnread() {
	var s *snapshot
	next := func(unread *[]*snapshot) {
		if s != nil {
			*unread = (*unread)[1:]
		}
		if s = nil; len(*unread) > 0 {
			s = (*unread)[0]
		}
	}
	for l.unread.Must(next); s != nil; l.unread.Must(next) {
		_ = s.Close() // an error would be of an iterator left open
		l.reading.Done()
	}
}

// kindView is the part of one kind.
type kindView struct {
	kind     *kind
	revision uint64 // of its newest change
	next     uint64 // position of its next record
	last     string // no record has a key after it
	records  int
	absent   *simplelru.LRU[string, struct{}] // keys that were looked for and not found
	live     map[uint64]*item                 // by position
	cold     *cache
	byKey    map[string]uint64 // position of each record that is in memory
	hot      map[uint32]*block
	seals    []seal // by block; replaced, never changed, so that readers may keep it
	sums     map[string]Sum
}

// item is a record in memory. It never changes.
type item struct {
	key      string
	position uint64
	revision uint64
	value    any    // *T of the store
	data     []byte // its JSON, as it was written
}

// maxAbsent bounds the keys that a kind remembers as absent.
const maxAbsent = 1024

func newKindView(cacheBytes int) *kindView {
	k := &kindView{
		absent: newLRU[string, struct{}](maxAbsent, nil), live: map[uint64]*item{}, byKey: map[string]uint64{},
		hot: map[uint32]*block{}, sums: map[string]Sum{},
	}
	k.cold = newCache(cacheBytes, func(it *item) {
		if k.live[it.position] == nil {
			delete(k.byKey, it.key)
		}
	})
	return k
}

// get returns a record that is in memory, or nil.
func (k *kindView) get(key string) *item {
	position, ok := k.byKey[key]
	if !ok {
		return nil
	}
	return k.at(position)
}

func (k *kindView) at(position uint64) *item {
	if it := k.live[position]; it != nil {
		return it
	}
	return k.cold.get(position)
}

// put keeps a record: as long as it is live, or for a while.
func (k *kindView) put(it *item, live bool) {
	if live {
		k.cold.remove(it.position)
		k.live[it.position] = it
		k.byKey[it.key] = it.position
		return
	}
	delete(k.live, it.position)
	k.cold.put(it) // forgets the key of what it replaces
	k.byKey[it.key] = it.position
}

// drop forgets a record that was deleted.
func (k *kindView) drop(key string, position uint64) {
	delete(k.live, position)
	k.cold.remove(position)
	delete(k.byKey, key)
}

// cache keeps the records that were used last, up to a number of bytes.
type cache struct {
	items *simplelru.LRU[uint64, *item]
	bytes int
	max   int
}

// decodedFactor is about how much more memory a record takes decoded than as JSON.
const decodedFactor = 3

func (it *item) size() int { return 256 + (1+decodedFactor)*len(it.data) }

func newCache(bytes int, evicted func(*item)) *cache {
	c := &cache{max: bytes}
	c.items = newLRU(1<<20, func(_ uint64, it *item) {
		c.bytes -= it.size()
		evicted(it)
	})
	return c
}

func newLRU[K comparable, V any](size int, evicted func(K, V)) *simplelru.LRU[K, V] {
	l, err := simplelru.NewLRU(size, evicted)
	if err != nil {
		panic("ledger: " + err.Error()) // its size is not positive
	}
	return l
}

func (c *cache) get(position uint64) *item {
	it, _ := c.items.Get(position)
	return it
}

func (c *cache) put(it *item) {
	c.remove(it.position)
	c.bytes += it.size()
	c.items.Add(it.position, it)
	for c.bytes > c.max && c.items.Len() > 1 {
		c.items.RemoveOldest()
	}
}

// remove forgets a record. Its eviction counts the bytes.
func (c *cache) remove(position uint64) { c.items.Remove(position) }

// block is the index of a block of positions, as long as its records may change.
type block struct {
	number uint32
	terms  map[string]*places
	live   int // how many of its records are live
	bounds
	times []int64 // by place, where records have one

	// While the block is being sealed, in several commits: the terms whose entries
	// are yet to be written, and the id of the seal. Otherwise nil.
	unsealed map[string]struct{}
	seal     uint64
}

func newBlock(number uint32) *block {
	return &block{number: number, terms: map[string]*places{}}
}

// insert takes in a new record.
func (b *block) insert(k *kind, place uint16, key string, at int64) {
	b.extend(key, at)
	if !k.timed {
		return
	}
	for len(b.times) <= int(place) { // of records that are not there any more, any will do
		b.times = append(b.times, at)
	}
	b.times[place] = at
}

func (b *block) add(place uint16, terms []string) {
	for _, term := range terms {
		set := b.terms[term]
		if set == nil {
			set = &places{}
			b.terms[strings.Clone(term)] = set
		}
		set.add(place)
		b.mark(term)
	}
}

func (b *block) remove(place uint16, terms []string) {
	for _, term := range terms {
		if set := b.terms[term]; set != nil {
			if set.remove(place); set.empty() {
				delete(b.terms, term)
			}
		}
		b.mark(term)
	}
}

// mark notes that the entry of a term is to be written again.
func (b *block) mark(term string) {
	if b.unsealed != nil {
		b.unsealed[strings.Clone(term)] = struct{}{}
	}
}

// maxLiveSealed is how many live records one of the newest blocks may have and be
// sealed: each change of one then rewrites the index entries of its terms.
const maxLiveSealed = blockSize / 64

// DefaultHotBlocks is the default of Config.HotBlocks: some 30,000 jobs, whose index
// takes about 3 MiB a block.
const DefaultHotBlocks = 8

// sealable reports whether the block should be sealed: no new records come, and those
// that it has will hardly change any more, or hot newer blocks are there.
func (b *block) sealable(next uint64, hot int) bool {
	full := positionOf(b.number+1, 0) <= next
	return b.unsealed == nil && full && (b.live <= maxLiveSealed || next > positionOf(b.number+1+uint32(hot), 0))
}

// startSealing marks every term as to be written.
func (b *block) startSealing(id uint64) {
	b.seal = id
	b.unsealed = make(map[string]struct{}, len(b.terms))
	for term := range b.terms {
		b.unsealed[term] = struct{}{}
	}
}
