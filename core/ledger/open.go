package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// openKind reads what the committer and readers need of a kind: the index of the
// blocks that are not sealed, and the records that are live.
func (l *Ledger) openKind(ctx context.Context, k *kind, cacheBytes int) error {
	at, err := l.unopened(k)
	if err != nil {
		return err
	}
	defer at.release() // the store stays open until then
	v := newKindView(cacheBytes)
	v.kind = k
	if v.next, err = readUint(l.db, k.nextKey()); err != nil {
		return err
	}
	if v.last, err = lastKey(l.db, k); err != nil {
		return err
	}
	if err := l.reindex(ctx, k, v.next); err != nil {
		return err
	}
	for _, read := range []func(context.Context, *kind, *kindView) error{
		l.readSeals, l.readHot, l.readLive, l.countRecords, l.readSums,
	} {
		if err := read(ctx, k, v); err != nil {
			return err
		}
	}
	return l.call(ctx, func() error { return l.showKind(k, v) })
}

var errOpen = errors.New("it is open already")

// unopened returns what readers see, for the caller to release, or an error where the
// kind cannot be opened.
func (l *Ledger) unopened(k *kind) (at *snapshot, err error) {
	l.view.Must(func(v *view) {
		switch {
		case v.at == nil:
			err = ErrClosed
		case v.kinds[k.name] != nil:
			err = errOpen
		default:
			at = v.at.reference()
		}
	})
	return at, err
}

// lastKey returns the greatest key of a kind; empty if it has no records.
func lastKey(from reader, k *kind) (string, error) {
	prefix := k.prefix(tagKey)
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return "", storeError(err)
	}
	defer it.Close()
	if !it.Last() {
		return "", storeError(it.Error())
	}
	return string(it.Key()[len(prefix):]), nil
}

// showKind adds a kind to what readers see. Its index may have been made just now.
func (l *Ledger) showKind(k *kind, v *kindView) (err error) {
	var snap *snapshot
	l.view.Must(func(all *view) {
		snap = l.newSnapshot(all.revision)
		if all.kinds[k.name] != nil {
			err = errOpen
			return
		}
		snap, all.at = all.at, snap
		v.revision = all.revision
		all.kinds[k.name] = v
		l.sealBlocks(k, v, v.revision)
	})
	snap.release()
	return err
}

// call lets the committer do something between two rounds.
func (l *Ledger) call(ctx context.Context, fn func() error) (err error) {
	done := make(chan struct{})
	select {
	case l.calls <- func() { err = fn(); close(done) }:
		<-done
		return err
	case <-l.quit:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scan calls fn with every key and value below a prefix.
func scan(ctx context.Context, from reader, low, high []byte, fn func(key, value []byte) error) error {
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return storeError(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return storeError(it.Error())
}

func (l *Ledger) readSeals(ctx context.Context, k *kind, v *kindView) error {
	prefix := k.prefix(tagSeal)
	return scan(ctx, l.db, prefix, after(prefix), func(key, value []byte) error {
		number := binary.BigEndian.Uint32(key[len(prefix):])
		s, err := decodeSeal(value)
		for len(v.seals) <= int(number) {
			v.seals = append(v.seals, seal{})
		}
		v.seals[number] = s
		return err
	})
}

// readHot reads the records of every block that is not sealed.
func (l *Ledger) readHot(ctx context.Context, k *kind, v *kindView) error {
	for number := uint32(0); positionOf(number, 0) < v.next; number++ {
		if int(number) < len(v.seals) && v.seals[number].id != 0 {
			continue
		}
		b := newBlock(number)
		err := l.eachIn(ctx, k, number, func(it *item) error {
			f, err := b.take(k, it)
			v.put(it, f.live)
			return err
		})
		if err != nil {
			return err
		}
		v.hot[number] = b
	}
	return nil
}

// take decodes a record that was read, and adds it to its block's index.
func (b *block) take(k *kind, it *item) (f facts, err error) {
	if it.value, err = k.decode(it.data); err != nil {
		return f, fmt.Errorf("%w: %s %s: %w", ErrCorrupt, k.name, it.key, err)
	}
	f = k.describe(it.key, it.value)
	b.insert(k, placeAt(it.position), it.key, f.at)
	b.add(placeAt(it.position), f.terms)
	b.live += count(f.live)
	return f, nil
}

// readLive reads the records of sealed blocks that are live.
func (l *Ledger) readLive(ctx context.Context, k *kind, v *kindView) error {
	return l.eachSealed(k, v, termLive, func(number uint32, c *cursor) error {
		set := &bitset{}
		if err := c.places(set); err != nil {
			return err
		}
		for place, ok := set.takeLowest(); ok; place, ok = set.takeLowest() {
			it, err := k.readAt(l.db, positionOf(number, place))
			if err == nil {
				it.value, err = k.decode(it.data)
			}
			if err != nil {
				return fmt.Errorf("%w: %s at position %d: %w", ErrCorrupt, k.name, positionOf(number, place), err)
			}
			v.put(it, true)
		}
		return ctx.Err()
	})
}

func (l *Ledger) countRecords(_ context.Context, k *kind, v *kindView) error {
	for _, b := range v.hot {
		if all := b.terms[termAll]; all != nil {
			v.records += all.count()
		}
	}
	return l.eachSealed(k, v, termAll, func(_ uint32, c *cursor) error {
		_, n, _, err := entryHead(c.it.Value())
		v.records += n
		return err
	})
}

// eachSealed calls fn at every index entry of a term.
func (l *Ledger) eachSealed(k *kind, v *kindView, term string, fn func(number uint32, c *cursor) error) error {
	c, err := k.newCursor(l.db, term, v.seals, true)
	if err != nil {
		return err
	}
	defer c.close()
	ok, err := c.seek(0)
	for ok && err == nil {
		if err = fn(c.block, c); err == nil {
			ok, err = c.seek(c.block + 1)
		}
	}
	return err
}

func (l *Ledger) readSums(ctx context.Context, k *kind, v *kindView) error {
	prefix := k.prefix(tagSum)
	return scan(ctx, l.db, prefix, after(prefix), func(key, value []byte) error {
		if len(value) != 16 {
			return fmt.Errorf("%w: the sum %q of %s has %d bytes", ErrCorrupt, key[len(prefix):], k.name, len(value))
		}
		name := string(key[len(prefix):])
		v.sums[name] = Sum{name, int64(binary.BigEndian.Uint64(value)), int64(binary.BigEndian.Uint64(value[8:]))}
		return nil
	})
}
