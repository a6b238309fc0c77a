package core

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"thresher/core/feed"
	"thresher/core/job"
	"thresher/core/ledger"
)

// The index terms of a job. A list by any of them is a page of an index, however
// many jobs there are.
func jobTerms(_ string, r job.Record) []string {
	terms := append(make([]string, 0, 12), // at the start that counts a million times
		"phase="+string(r.Phase),
		"plugin="+r.Spec.Plugin(),
		versionTerm(r.Spec),
		"routine="+r.Spec.Routine,
		"kind="+string(r.Spec.Kind),
	)
	for k, v := range r.Spec.Labels {
		terms = append(terms, labelTerm(k, v))
	}
	if r.Lease != nil {
		terms = append(terms, termLeased)
	}
	terms = append(terms, "tenant="+r.Tenant)
	if r.Phase.Final() && !r.Pinned {
		terms = append(terms, termEnded(r.Tenant))
	}
	if b := r.Spec.Batch; b != "" {
		terms = append(terms, "batch="+b, batchTerm(b, r.Phase))
	}
	if r.Spec.Origin != "" {
		terms = append(terms, "origin="+r.Spec.Origin)
	}
	if r.Spec.Root != "" {
		terms = append(terms, rootTerm(r.Spec.Root))
	}
	if r.Spec.Bulk != "" {
		terms = append(terms, bulkTerm(r.Spec.Bulk))
	}
	if r.Spec.Request != nil {
		terms = append(terms, requestTerm(r.Tenant, r.Spec.Request.Key))
	}
	if r.Spec.QueueKey != "" && r.Phase == job.Pending {
		terms = append(terms, queueTerm(r.Spec.QueueKey))
	}
	if r.Outcome != nil && r.Outcome.Error != nil {
		terms = append(terms, "error="+r.Outcome.Error.Code)
		for _, w := range wordsOf(r.Outcome.Error.Detail) {
			terms = append(terms, wordTerm(w))
		}
	}
	if key := r.Spec.CacheKey; key != "" && r.Phase == job.Completed && r.CacheHit == "" {
		terms = append(terms, cacheTerm(key))
	}
	return terms
}

// versionTerm lets a filter name a plugin's version as a ref does.
func versionTerm(s job.Spec) string { return "plugin=" + s.Plugin() + "@" + s.Version }

const termLeased = "leased"

// termEnded is the jobs that retention may take.
func termEnded(tenant string) string { return "ended=" + tenant }

func batchTerm(batch string, p job.Phase) string { return "batch=" + batch + "/" + string(p) }

func bulkTerm(id string) string { return "bulk=" + id }

func requestTerm(tenant, key string) string { return "request=" + tenant + "/" + key }

func queueTerm(key string) string { return "queued=" + key }

// cacheTerm has but half of a key, in a quarter of its space: nearly every job has a
// term of its own. Whoever finds a job by it compares the whole key.
func cacheTerm(key string) string {
	half, err := hex.DecodeString(key[:len(key)/2])
	if err != nil {
		return "cache=" + key // it is not one of ours
	}
	return "cache=" + string(half)
}

// maxWords is how many words of a failure's detail it can be found by, and
// maxWordBytes how much of each.
const (
	maxWords     = 32
	maxWordBytes = 40
)

// wordsOf lists the words of a text in lower case, each once: runs of letters and
// digits.
func wordsOf(text string) (words []string) {
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if w = w[:min(len(w), maxWordBytes)]; !slices.Contains(words, w) {
			words = append(words, w)
		}
		if len(words) == maxWords {
			break
		}
	}
	return words
}

func wordTerm(word string) string { return "word=" + word }

func labelTerm(key, value string) string { return "label:" + key + "=" + value }

// JobStore is how jobs are stored.
func JobStore() ledger.StoreConfig[job.Record] {
	return ledger.StoreConfig[job.Record]{
		Index:   jobTerms,
		Time:    func(r job.Record) time.Time { return r.Created },
		Live:    func(r job.Record) bool { return !r.Phase.Final() },
		Blobs:   jobBlobs,
		Retains: retainedBlobs,
		Sums:    keptSums,
		Version: 2, // jobs that have ended retain their module

		MaxBytes: maxJobRecord,
	}
}

func datasetStore() ledger.StoreConfig[Dataset] {
	return ledger.StoreConfig[Dataset]{Blobs: Dataset.digests, MaxBytes: maxDatasetRecord}
}

func batchStore() ledger.StoreConfig[batchRecord] {
	return ledger.StoreConfig[batchRecord]{Index: batchTerms, MaxBytes: maxBatchRecord}
}

func bulkStore() ledger.StoreConfig[bulkRecord] {
	return ledger.StoreConfig[bulkRecord]{
		Index:    func(_ string, r bulkRecord) []string { return []string{r.State, bulkActionTerm(r.Action)} },
		Version:  2, // by action
		MaxBytes: maxBulkRecord,
	}
}

func bulkActionTerm(action string) string { return "action=" + action }

func (e *Engine) openStores(ctx context.Context) (err error) {
	jobs := JobStore()
	jobs.Observe = e.observe
	e.jobs, err = ledger.OpenStore(ctx, e.ledger, "jobs", jobs)
	if err != nil {
		return err
	}
	e.hub = feed.New(e.jobs.Revision())
	e.datasets, err = ledger.OpenStore(ctx, e.ledger, "datasets", datasetStore())
	if err != nil {
		return err
	}
	batches := batchStore()
	batches.Observe = e.observeBatch
	e.batches, err = ledger.OpenStore(ctx, e.ledger, "batches", batches)
	if err != nil {
		return err
	}
	e.bulks, err = ledger.OpenStore(ctx, e.ledger, "bulks", bulkStore())
	if err != nil {
		return err
	}
	e.settings, err = ledger.OpenStore(ctx, e.ledger, "settings", ledger.StoreConfig[Limits]{
		Observe: e.observeLimits, UsesReserve: true, MaxBytes: maxSettingsRecord,
	})
	if err != nil {
		return err
	}
	limits, err := e.settings.Get(ctx, limitsKey)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	e.useLimits(limits.Value)
	return nil
}

// observe passes a committed change on: to the guest it concerns, to the
// dispatcher, to subscribers. The ledger calls it in commit order.
func (e *Engine) observe(c ledger.Change[job.Record]) {
	r := c.Value
	r.ID = c.Key // a deletion carries no record
	e.pool.Observe(r, c.Deleted)
	e.dispatch.Observe(e.steady(r), c.Deleted)
	e.observed.Store(c.Revision)
	e.publish(c)
	if ran(c) {
		e.plugins.Ended(r.Tenant, r.Spec.Digest, failureOf(*r.Outcome))
	}
}

func failureOf(o job.Outcome) string {
	if o.Error == nil {
		return ""
	}
	return o.Error.Code
}

// ran reports whether a change is the end of a job that its plugin brought about.
func ran(c ledger.Change[job.Record]) bool {
	ended := c.Value.Phase == job.Completed || c.Value.Phase == job.Failed
	return ended && c.Value.CacheHit == "" && c.Value.Outcome != nil && c.Before != nil && !c.Before.Phase.Final()
}

// recover takes back the leases of the process that is gone, and tells the
// dispatcher of every job that has not ended.
func (e *Engine) recover(ctx context.Context) error {
	err := e.each(ctx, termLeased, e.takeBack)
	if err != nil {
		return fmt.Errorf("take back leases: %w", err)
	}
	if err := e.clearSamples(); err != nil {
		return err
	}
	if err := e.recoverWrongly(ctx); err != nil {
		return err
	}
	if err := errors.Join(e.holdBatches(ctx), e.abandonBatches(ctx)); err != nil {
		return err
	}
	for _, p := range []job.Phase{job.Pending, job.Paused} {
		err = e.each(ctx, "phase="+string(p), func(_ string, r job.Record) error {
			e.dispatch.Observe(e.steady(r), false)
			return nil
		})
		if err != nil {
			return fmt.Errorf("queue %s jobs: %w", p, err)
		}
	}
	return nil
}

// warmUp asks for those of everyone's plugins that jobs have run on, so that the next
// need not wait; jobs that wait have asked for theirs.
func (e *Engine) warmUp(ctx context.Context) error {
	for _, p := range e.plugins.List() {
		n, err := e.jobs.Count(ctx, "plugin="+p.Name)
		if err != nil {
			return fmt.Errorf("count jobs of %s: %w", p.Name, err)
		}
		if n > 0 {
			e.plugins.Need(p.Name, p.Version, p.Digest)
		}
	}
	return nil
}

// sweep clears away blobs that no record names, while work goes on: there can be
// millions of files to look at.
func (e *Engine) sweep(ctx context.Context) {
	if err := e.ledger.Blobs().Sweep(ctx); err != nil && ctx.Err() == nil {
		e.cfg.Log.Warn("blobs not swept: the next start tries again", "error", err)
	}
}

// each calls fn with every job under a term, oldest first. fn may change the job.
func (e *Engine) each(ctx context.Context, term string, fn func(id string, r job.Record) error) error {
	q := ledger.Query{Limit: 1000, Ascending: true}
	if term != "" {
		q.Terms = []string{term}
	}
	for {
		entries, next, err := e.jobs.List(ctx, q)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := fn(entry.Key, entry.Value); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Before = next
	}
}

// lookUp returns a job as the dispatcher needs it. One that has ended and is not cached
// is read from disk. See [dispatch.LookUp].
func (e *Engine) lookUp(id string) (r job.Record, found bool, err error) {
	entry, err := e.jobs.Get(context.Background(), id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return r, false, nil
	case err != nil:
		e.cfg.Log.Warn("job not read: looked up again in a moment", "job", id, "error", err)
		return r, false, err
	}
	return e.steady(entry.Value), true, nil
}
