package ledger

import (
	"context"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// reindex makes the index of a kind anew if it is of another version. It keeps one
// block in memory at a time. If it is interrupted, the next start does it again.
func (l *Ledger) reindex(ctx context.Context, k *kind, next uint64) error {
	version, err := readUint(l.db, k.versionKey())
	if err != nil || version == k.indexVersion() {
		return err
	}
	if next > blockSize {
		l.log.Info("store indexed anew", "store", k.name, "records", next)
	}
	if err := l.dropIndex(k); err != nil {
		return err
	}
	sums := map[string]Sum{}
	for number := uint32(0); positionOf(number, 0) < next; number++ {
		l.tell(k.name, positionOf(number, 0), next)
		if err := l.reindexBlock(ctx, k, number, next, sums); err != nil {
			return err
		}
	}
	b := l.db.NewBatch()
	defer b.Close()
	for name, sum := range sums {
		if err := b.Set(k.sumKey(name), encodeSum(sum), nil); err != nil {
			return err
		}
	}
	if err := b.Set(k.versionKey(), encodeUint(k.indexVersion()), nil); err != nil {
		return err
	}
	return storeError(b.Commit(pebble.Sync))
}

func (l *Ledger) dropIndex(k *kind) error {
	b := l.db.NewBatch()
	defer b.Close()
	for _, tag := range []byte{tagIndex, tagSeal, tagTimes, tagSum, tagVersion} {
		if err := b.DeleteRange(k.prefix(tag), after(k.prefix(tag)), nil); err != nil {
			return err
		}
	}
	return storeError(b.Commit(pebble.NoSync)) // what follows is synced, and in order
}

// reindexBlock adds a block's records to the sums, and seals it if it may be.
func (l *Ledger) reindexBlock(ctx context.Context, k *kind, number uint32, next uint64, sums map[string]Sum) error {
	b := newBlock(number)
	err := l.eachIn(ctx, k, number, func(it *item) error {
		f, err := b.take(k, it)
		for _, s := range f.sums {
			sum := sums[s.Name]
			sums[s.Name] = Sum{s.Name, sum.Records + s.Records, sum.Amount + s.Amount}
		}
		return err
	})
	if err != nil || k.version == 0 || !b.sealable(next, l.hot) {
		return err
	}
	batch := l.db.NewBatch()
	defer batch.Close()
	const id = 1 // there are no other entries
	for term, set := range b.terms {
		if err := batch.Set(k.indexKey(term, number), set.encode(id), nil); err != nil {
			return err
		}
	}
	if k.timed {
		if err := batch.Set(k.timesKey(number), encodeTimes(b.times), nil); err != nil {
			return err
		}
	}
	if err := batch.Set(k.sealKey(number), encodeSeal(seal{id, b.bounds}), nil); err != nil {
		return err
	}
	return storeError(batch.Commit(pebble.NoSync))
}

// eachIn calls fn with every record of a block.
func (l *Ledger) eachIn(ctx context.Context, k *kind, number uint32, fn func(*item) error) error {
	low, high := k.recordKey(positionOf(number, 0)), k.recordKey(positionOf(number+1, 0))
	return scan(ctx, l.db, low, high, func(key, value []byte) error {
		it, err := itemOf(binary.BigEndian.Uint64(key[len(key)-8:]), value)
		if err != nil {
			return err
		}
		return fn(it)
	})
}

func encodeSum(s Sum) []byte {
	return append(encodeUint(uint64(s.Records)), encodeUint(uint64(s.Amount))...)
}
