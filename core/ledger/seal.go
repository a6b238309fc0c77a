package ledger

import "slices"

// sealBudget is how many index entries of blocks that are being sealed go out with a
// round, so that sealing delays no writer much, and how many where nobody waits. It
// doubles with each block that waits: what is written must not outrun the sealing, or
// memory grows.
const (
	sealBudget     = 128
	sealBudgetIdle = 1024
	sealDoublings  = 8
)

// sealing is a block that is being sealed.
type sealing struct {
	kind  *kind
	block *block
}

// sealBlock begins to seal a block, if that is due.
func (l *Ledger) sealBlock(k *kind, v *kindView, b *block, id uint64) {
	if k.version != 0 && b.sealable(v.next, l.hot) {
		b.startSealing(id)
		l.sealing = append(l.sealing, &sealing{k, b})
	}
}

// sealBlocks begins to seal what is due of a kind.
func (l *Ledger) sealBlocks(k *kind, v *kindView, id uint64) {
	for _, b := range v.hot {
		l.sealBlock(k, v, b, id)
	}
}

// sealedTerms is a part of a block's index that a round writes.
type sealedTerms struct {
	block *block
	kind  *kind
	terms []string
	whole bool // it is the last part
	seal  seal
}

// seal writes a part of the index of blocks that are being sealed.
func (r *round) seal() {
	budget := sealBudget << max(0, min(len(r.l.sealing)-1, sealDoublings))
	if len(r.changes) == 0 {
		budget = max(budget, sealBudgetIdle)
	}
	for _, s := range r.l.sealing {
		if budget <= 0 {
			return
		}
		part := &sealedTerms{block: s.block, kind: s.kind}
		// Only the committer changes a block, so that it reads one without the lock.
		for term := range s.block.unsealed {
			if len(part.terms) == budget {
				break
			}
			part.terms = append(part.terms, term)
			if set := s.block.terms[term]; set != nil {
				r.set(s.kind.indexKey(term, s.block.number), set.encode(s.block.seal))
			} else {
				r.delete(s.kind.indexKey(term, s.block.number))
			}
		}
		budget -= len(part.terms) + 1
		if part.whole = len(part.terms) == len(s.block.unsealed) && !r.touches(s); part.whole {
			part.seal = seal{s.block.seal, s.block.bounds}
			if s.kind.timed {
				r.set(s.kind.timesKey(s.block.number), encodeTimes(s.block.times))
			}
			r.set(s.kind.sealKey(s.block.number), encodeSeal(part.seal))
		}
		r.sealed = append(r.sealed, part)
	}
}

// touches reports whether the round changes a record of the block.
func (r *round) touches(s *sealing) bool {
	return slices.ContainsFunc(r.changes, func(c *change) bool {
		return c.kind == s.kind && blockAt(c.position) == s.block.number
	})
}

// showSealed takes note of the entries that were written, and lets go of a block that
// is sealed as a whole.
func (r *round) showSealed(k *kindView, part *sealedTerms) {
	for _, term := range part.terms {
		delete(part.block.unsealed, term)
	}
	if !part.whole {
		return
	}
	seals := make([]seal, max(len(k.seals), int(part.block.number)+1))
	copy(seals, k.seals)
	seals[part.block.number] = part.seal
	k.seals = seals
	delete(k.hot, part.block.number)
	r.l.sealing = slices.DeleteFunc(r.l.sealing, func(s *sealing) bool { return s.block == part.block })
}
