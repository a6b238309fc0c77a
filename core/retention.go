package core

import (
	"context"
	"maps"
	"slices"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/limit"
)

// kept is what a tenant has of jobs that have ended and are not pinned.
type kept struct {
	jobs  int
	bytes int64
}

// tally counts them, from committed changes.
type tally struct{ tenants *guard.Value[map[string]kept] }

func newTally() tally {
	return tally{guard.New("retention", guard.RankEngine, map[string]kept{})}
}

func (t tally) observe(c ledger.Change[job.Record]) {
	if c.Before != nil {
		t.add(*c.Before, -1)
	}
	if !c.Deleted {
		t.add(c.Value, 1)
	}
}

func (t tally) add(r job.Record, sign int) {
	if !r.Phase.Final() || r.Pinned {
		return
	}
	t.tenants.Must(func(all *map[string]kept) {
		k := (*all)[r.Tenant]
		k.jobs += sign
		k.bytes += int64(sign) * outputBytes(r)
		if k.jobs == 0 {
			delete(*all, r.Tenant)
			return
		}
		(*all)[r.Tenant] = k
	})
}

func (t tally) of(tenant string) (k kept) {
	t.tenants.Must(func(all *map[string]kept) { k = (*all)[tenant] })
	return k
}

func (t tally) names() (names []string) {
	t.tenants.Must(func(all *map[string]kept) { names = slices.Sorted(maps.Keys(*all)) })
	return names
}

// Prune deletes the jobs that retention does not keep, and returns how many.
func (e *Engine) Prune(ctx context.Context) (deleted int, err error) {
	bounds := e.Limits().Retention
	for _, tenant := range e.tally.names() {
		r, ok := bounds[tenant]
		if !ok {
			r = bounds[limit.Any]
		}
		n, err := e.prune(ctx, tenant, r)
		if n > 0 {
			e.cfg.Log.Info("retention deleted jobs", "tenant", tenant, "jobs", n)
		}
		e.pruned.Add(uint64(n))
		if deleted += n; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// prune deletes the oldest of a tenant's jobs that have ended, until what is left
// is within the bounds.
func (e *Engine) prune(ctx context.Context, tenant string, r Retention) (deleted int, err error) {
	q := ledger.Query{Terms: []string{termEnded(tenant)}, Limit: MaxPage, Ascending: true}
	for {
		page, next, err := e.jobs.List(ctx, q)
		if err != nil {
			return deleted, err
		}
		doomed, more := e.over(tenant, r, page)
		n, _, err := e.forAll(ctx, (*Engine).Delete, doomed)
		deleted += n
		if err != nil || !more || next == "" {
			return deleted, err
		}
		q.Before = next
	}
}

// over returns those of a page, oldest first, that are past a bound, and whether
// later ones can be too.
func (e *Engine) over(tenant string, r Retention, page []ledger.Entry[job.Record]) (doomed []ledger.Entry[job.Record], more bool) {
	left := e.tally.of(tenant)
	now := e.cfg.Now()
	aged := func(since job.Record) bool {
		return r.AgeSeconds > 0 && now.Sub(*since.Ended) > duration(r.AgeSeconds)
	}
	for _, entry := range page {
		many := r.Count > 0 && left.jobs > r.Count
		large := r.Bytes > 0 && left.bytes > r.Bytes
		if many || large || aged(entry.Value) {
			doomed = append(doomed, entry)
			left.jobs--
			left.bytes -= outputBytes(entry.Value)
			continue
		}
		if r.AgeSeconds <= 0 || now.Sub(entry.Value.Created) <= duration(r.AgeSeconds) {
			return doomed, false // none after it was submitted, let alone ended, long enough ago
		}
	}
	return doomed, true
}
