package ledger

import "slices"

// show lets readers see the round, then tells those who follow the changes.
func (r *round) show() {
	snap := r.l.newSnapshot(r.revision)
	var old *snapshot
	r.l.view.Must(func(v *view) {
		old, v.at, v.revision = v.at, snap, r.revision
		for _, part := range r.sealed {
			r.showSealed(v.kinds[part.kind.name], part)
		}
		for _, c := range r.changes {
			r.l.showChange(v.kinds[c.kind.name], c)
		}
		for k, sums := range r.sums {
			have := v.kinds[k.name].sums
			for name, sum := range sums {
				if have[name] = sum; sum.Records == 0 && sum.Amount == 0 {
					delete(have, name)
				}
			}
		}
	})
	old.release()
	for _, c := range r.changes {
		if c.kind.observe != nil {
			c.kind.observe(c)
		}
	}
	for _, c := range r.changes {
		r.l.blobs.unreferenced(without(sorted(c.had.blobs), sorted(c.has.blobs))...)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// showChange makes a change in memory.
func (l *Ledger) showChange(k *kindView, c *change) {
	k.revision = c.revision
	number := blockAt(c.position)
	b := k.hot[number]
	if c.before == nil {
		k.last = max(k.last, c.key)
		k.absent.Remove(c.key)
		k.next = max(k.next, c.position+1)
		k.records++
		if b == nil {
			b = newBlock(number)
			k.hot[number] = b
			l.sealBlocks(c.kind, k, c.revision) // of which some are now old enough
		}
		b.insert(c.kind, placeAt(c.position), c.key, c.has.at)
	}
	if b != nil {
		b.remove(placeAt(c.position), c.remove)
		b.add(placeAt(c.position), c.add)
		b.live += count(c.has.live) - count(c.had.live)
	}
	if c.after == nil {
		k.records--
		k.drop(c.key, c.position)
	} else {
		k.put(&item{c.key, c.position, c.revision, c.after, c.data}, c.has.live)
	}
	if b != nil {
		l.sealBlock(c.kind, k, b, c.revision)
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
