package core

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/limit"
	"thresher/core/routine"
)

// Retention bounds what is kept of a tenant's jobs that have ended. The oldest go
// first, whichever bound is passed; pinned ones stay. 0 means no bound.
type Retention struct {
	AgeSeconds float64         `json:"age_seconds,omitempty"`
	Count      int             `json:"count,omitempty"`
	Bytes      int64           `json:"bytes,omitempty"` // of their outputs
	Rules      []RetentionRule `json:"rules,omitempty"` // further bounds, of some of the jobs: all that fit a job hold
}

// RetentionRule bounds what is kept of those of a tenant's jobs that a plugin ran, or
// that ended in a phase, or both.
type RetentionRule struct {
	Plugin     string    `json:"plugin,omitempty"` // empty: of any
	Phase      job.Phase `json:"phase,omitempty"`  // completed, failed or stopped; empty: any
	AgeSeconds float64   `json:"age_seconds,omitempty"`
	Count      int       `json:"count,omitempty"`
	Bytes      int64     `json:"bytes,omitempty"`
}

// rules lists all bounds alike: those of the tenant's jobs as a whole come first.
func (r Retention) rules() []RetentionRule {
	return append([]RetentionRule{{AgeSeconds: r.AgeSeconds, Count: r.Count, Bytes: r.Bytes}}, r.Rules...)
}

func (r RetentionRule) bounds() bool { return r.AgeSeconds > 0 || r.Count > 0 || r.Bytes > 0 }

// maxTenantRules is the max number of rules of a tenant: each looks at its jobs. maxRules
// is that of all tenants together, as many as the record of the limits has room for.
const (
	maxTenantRules = 100
	maxRules       = 1000
)

// check refuses bounds that cannot be, and rules that would do nothing.
func (r Retention) check(field string) error {
	whole := r.rules()[0]
	if err := whole.check(field, whole); err != nil {
		return err
	}
	if len(r.Rules) > maxTenantRules {
		return invalid(field+".rules", "%d rules: the limit is %d", len(r.Rules), maxTenantRules)
	}
	for i, rule := range r.Rules {
		at := fmt.Sprintf("%s.rules[%d]", field, i)
		first := slices.IndexFunc(r.Rules, func(o RetentionRule) bool { return o.Plugin == rule.Plugin && o.Phase == rule.Phase })
		switch {
		case rule.Plugin == "" && rule.Phase == "":
			return invalid(at, "names neither a plugin nor a phase: bounds of all jobs stand in %s itself", field)
		case rule.Plugin != "" && !routine.ValidName(rule.Plugin):
			return invalid(at+".plugin", "%q: want the name of a plugin, such as models", rule.Plugin)
		case rule.Phase != "" && !rule.Phase.Final():
			return invalid(at+".phase", "%q: want completed, failed or stopped", rule.Phase)
		case !rule.bounds():
			return invalid(at, "has no bound: want age_seconds, count or bytes")
		case first < i:
			return invalid(at, "is of the same jobs as rules[%d]: put their bounds together", first)
		}
		if err := rule.check(at, whole); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a bound that is none, or that is wider than that of all of the
// tenant's jobs, which holds too.
func (r RetentionRule) check(field string, whole RetentionRule) error {
	if !(r.AgeSeconds >= 0 && r.AgeSeconds <= maxSeconds) { // so that NaN is refused
		return invalid(field+".age_seconds", "%s: want 0, which is no bound, to %d", plain(r.AgeSeconds), maxSeconds)
	}
	if r.Count < 0 || r.Bytes < 0 {
		return invalid(field, "a count of %d and %d bytes: want 0, which is no bound, or more", r.Count, r.Bytes)
	}
	wider := func(name string, bound, whole float64) error {
		if whole > 0 && bound > whole {
			return invalid(field+"."+name, "%s would do nothing: the bound of all of the tenant's jobs, %s, holds too; want less, or set that one to 0",
				plain(bound), plain(whole))
		}
		return nil
	}
	return cmp.Or(wider("age_seconds", r.AgeSeconds, whole.AgeSeconds),
		wider("count", float64(r.Count), float64(whole.Count)), wider("bytes", float64(r.Bytes), float64(whole.Bytes)))
}

// terms selects the jobs of a tenant that the rule bounds.
func (r RetentionRule) terms(tenant string) []string {
	terms := []string{termEnded(tenant)}
	if r.Plugin != "" {
		terms = append(terms, "plugin="+r.Plugin)
	}
	if r.Phase != "" {
		terms = append(terms, "phase="+string(r.Phase))
	}
	return terms
}

// kept is how much there is of jobs that have ended and are not pinned.
type kept struct {
	jobs  int
	bytes int64
}

// group is what rules tell a tenant's jobs apart by.
type group struct {
	plugin string
	phase  job.Phase
}

func (r RetentionRule) fits(s group) bool {
	return (r.Plugin == "" || r.Plugin == s.plugin) && (r.Phase == "" || r.Phase == s.phase)
}

// keptSums adds a job that has ended and is not pinned to the sum of its tenant and
// group.
func keptSums(r job.Record) []ledger.Sum {
	if !r.Phase.Final() || r.Pinned {
		return nil
	}
	name := strings.Join([]string{r.Tenant, r.Spec.Plugin(), string(r.Phase)}, "/")
	return []ledger.Sum{{Name: name, Records: 1, Amount: outputBytes(r)}}
}

// tally returns how much is kept, by tenant and group.
func (e *Engine) tally() map[string]map[group]kept {
	all := map[string]map[group]kept{}
	for name, sum := range e.jobs.Sums() {
		part := strings.Split(name, "/")
		if all[part[0]] == nil {
			all[part[0]] = map[group]kept{}
		}
		all[part[0]][group{part[1], job.Phase(part[2])}] = kept{int(sum.Records), sum.Amount}
	}
	return all
}

// left returns how much there is of a tenant's jobs that a rule bounds.
func (e *Engine) left(tenant string, r RetentionRule) (sum kept) {
	for s, k := range e.tally()[tenant] {
		if r.fits(s) {
			sum.jobs += k.jobs
			sum.bytes += k.bytes
		}
	}
	return sum
}

// Prune deletes the jobs that retention does not keep, and returns how many. It works
// alone: two that count the same jobs would delete too many.
func (e *Engine) Prune(ctx context.Context) (deleted int, err error) {
	select {
	case e.prunes <- struct{}{}:
		defer func() { <-e.prunes }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	bounds := e.Limits().Retention
	for _, tenant := range slices.Sorted(maps.Keys(e.tally())) {
		r, ok := bounds[tenant]
		if !ok {
			r = bounds[limit.Any]
		}
		for _, rule := range r.rules() {
			n, err := e.prune(ctx, tenant, rule)
			if n > 0 {
				e.cfg.Log.Info("retention deleted jobs", "tenant", tenant, "plugin", rule.Plugin, "phase", rule.Phase, "jobs", n)
			}
			e.pruned.Add(uint64(n))
			if deleted += n; err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// prune deletes the oldest of a tenant's jobs that a rule bounds, until what is left
// is within it.
func (e *Engine) prune(ctx context.Context, tenant string, r RetentionRule) (deleted int, err error) {
	if !r.bounds() {
		return 0, nil
	}
	// Most often the oldest is kept, and nothing else has to be read.
	q := ledger.Query{Terms: r.terms(tenant), Limit: 1, Ascending: true}
	for {
		page, next, err := e.jobs.List(ctx, q)
		if err != nil {
			return deleted, err
		}
		doomed, more := e.over(tenant, r, page)
		n, err := e.forAll(ctx, (*Engine).Delete, keysOf(doomed))
		deleted += n
		if err != nil || !more || next == "" {
			return deleted, err
		}
		q.Before, q.Limit = next, MaxPage
	}
}

// over returns those of a page, oldest first, that are past a bound, and whether
// later ones can be too.
func (e *Engine) over(tenant string, r RetentionRule, page []ledger.Entry[job.Record]) (doomed []ledger.Entry[job.Record], more bool) {
	left := e.left(tenant, r)
	aged := func(since time.Time) bool {
		return r.AgeSeconds > 0 && e.clock.Age(since) > duration(r.AgeSeconds)
	}
	for _, entry := range page {
		many := r.Count > 0 && left.jobs > r.Count
		large := r.Bytes > 0 && left.bytes > r.Bytes
		if many || large || aged(*entry.Value.Ended) {
			doomed = append(doomed, entry)
			left.jobs--
			left.bytes -= outputBytes(entry.Value)
			continue
		}
		if !aged(entry.Value.Created) {
			return doomed, false // none after it was submitted, let alone ended, long enough ago
		}
	}
	return doomed, true
}
