package core

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/ledger"
	"thresher/core/routine"
	"thresher/core/schema"
)

// Request asks for a job.
type Request struct {
	Routine  string            `json:"routine"`                                   // plugin[@version]/routine
	Params   json.RawMessage   `json:"params,omitempty"`                          // an object that fits the routine's schema
	Inputs   map[string]string `json:"inputs,omitempty"`                          // input → DATASET[/TABLE] or job:ID/TABLE
	Seed     *uint64           `json:"seed,omitempty"`                            // if absent: 0 for an analysis, drawn for a simulation
	Labels   map[string]string `json:"labels,omitempty"`                          // to find it by
	Priority string            `json:"priority,omitempty" enum:"low,normal,high"` // default normal
	Limits   *job.Limits       `json:"limits,omitempty"`                          // zero fields take the default
	Locks    []job.Lock        `json:"locks,omitempty"`                           // held while it runs
	After    []string          `json:"after,omitempty"`                           // jobs that must complete first
	Cache    string            `json:"cache,omitempty" enum:"on,off"`             // default on; off: never share another's run
	Tenant   string            `json:"tenant,omitempty"`                          // whose job it is; default "default"

	// SkipIfQueued returns the queued job if an identical request is already pending.
	SkipIfQueued bool `json:"skip_if_queued,omitempty"`

	Key string `json:"-"` // idempotency key; empty: each submit is a new job

	file     string            // digest of what an importer reads: see ImportDataset
	batch    string            // that it is part of
	siblings map[string]string // name → id of those in its batch
}

// Bounds of a request.
const (
	MaxLabels      = 16
	MaxLabelLength = 63
	MaxLocks       = 16
	MaxAfter       = 64
	maxSeed        = 1<<53 - 1 // what every JSON reader keeps exactly
	maxSchemas     = 1000      // that are kept compiled
)

// Submit makes a job durable and lets it run when the limits allow.
func (e *Engine) Submit(ctx context.Context, req Request) (Job, error) {
	if err := e.closed(); err != nil {
		return Job{}, err
	}
	req.Tenant = cmp.Or(req.Tenant, DefaultTenant)
	if !routine.ValidName(req.Tenant) {
		return Job{}, invalid("tenant", "%q: want up to 64 lower case letters, digits, dashes and underscores", req.Tenant)
	}
	if err := checkKey(req.Key); err != nil {
		return Job{}, err
	}
	switch {
	case req.SkipIfQueued && req.Key != "":
		return Job{}, invalid("skip_if_queued", "not together with an Idempotency-Key: each says which job is the same")
	case req.SkipIfQueued:
		return e.unlessQueued(ctx, req)
	case req.Key != "":
		return e.once(ctx, req)
	}
	return e.create(ctx, req, nil)
}

// DefaultTenant is whose jobs are that name no tenant.
const DefaultTenant = "default"

// create writes a new job: pending, or completed where the cache has its result.
func (e *Engine) create(ctx context.Context, req Request, once *job.Request) (Job, error) {
	spec, err := e.specOf(ctx, req)
	if err != nil {
		return Job{}, err
	}
	spec.Request = once
	return e.write(ctx, req.Tenant, spec)
}

// write makes a job of a spec durable.
func (e *Engine) write(ctx context.Context, tenant string, spec job.Spec) (Job, error) {
	r := e.newRecord(e.ids.next(), tenant, spec)
	if !e.isCached(ctx, spec.CacheKey) {
		admit := e.dispatch.Admit
		if spec.Bulk != "" {
			admit = e.dispatch.AdmitBulk
		}
		if err := admit(r.ID, tenant, spec.Plugin()); err != nil {
			return Job{}, err
		}
		defer e.dispatch.Withdraw(r.ID)
	}
	if err := e.put(ctx, r); err != nil {
		return Job{}, err
	}
	return e.Job(ctx, r.ID)
}

func (e *Engine) newRecord(id, tenant string, spec job.Spec) job.Record {
	return job.Record{
		ID:      id,
		Tenant:  tenant,
		Spec:    spec,
		Desired: job.WantRun,
		Phase:   job.Pending,
		Created: e.cfg.Now().UTC(),
	}
}

// put writes a new record. Where the cache has its result, it is completed at once.
func (e *Engine) put(ctx context.Context, r job.Record) error {
	ready, release, err := e.prepare(ctx, r)
	if err != nil {
		return err
	}
	defer release() // once the record holds it itself
	err = e.ledger.Atomically(ctx, func(tx *ledger.Tx) error {
		joined, err := e.join(tx, r, ready)
		if err != nil {
			return err
		}
		return e.jobs.Add(tx, r.ID, joined)
	})
	var refused *Refused
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("submit: %w", err)
	}
	return err
}

// prepare makes a new record ready to be written, and holds what it names until it is
// released.
func (e *Engine) prepare(ctx context.Context, r job.Record) (_ job.Record, release func(), err error) {
	var held []func()
	letGo := func() {
		for _, let := range held {
			let()
		}
	}
	defer func() {
		if err != nil {
			letGo()
		}
	}()
	inputs := inputDigests(r.Spec)
	if !e.ledger.Blobs().Hold(inputs...) {
		return r, nil, invalid("inputs", "the data of an input is gone: its dataset or job was deleted")
	}
	held = append(held, func() { e.ledger.Blobs().Release(inputs...) })
	switch err := e.plugins.Hold(ctx, r.Spec.Digest); {
	case errors.Is(err, ErrNotFound):
		return r, nil, missing("%s@%s was deleted meanwhile", r.Spec.Plugin(), r.Spec.Version)
	case err != nil:
		return r, nil, fmt.Errorf("submit: %w", err)
	}
	held = append(held, func() { e.plugins.Release(r.Spec.Digest) })
	if from, let, found := e.cached(ctx, r.Spec.CacheKey); found {
		held = append(held, let)
		if r, err = job.Apply(r, e.hit(from)); err != nil {
			return r, nil, fmt.Errorf("submit: %w", err)
		}
	}
	return r, letGo, nil
}

func (e *Engine) specOf(ctx context.Context, req Request) (job.Spec, error) {
	plugin, decl, err := e.routine(ctx, req)
	if err != nil {
		return job.Spec{}, err
	}
	spec := job.Spec{
		Routine: plugin.Name + "/" + decl.Name,
		Version: plugin.Version,
		Digest:  plugin.Digest,
		Kind:    decl.Kind,
		Labels:  req.Labels,
		Batch:   req.batch,
	}
	if spec.Params, err = e.params(plugin, decl, req.Params); err != nil {
		return spec, err
	}
	if spec.Inputs, err = e.inputs(ctx, decl, req); err != nil {
		return spec, err
	}
	if spec.Priority, err = parsePriority(req.Priority); err != nil {
		return spec, err
	}
	if err := checkLabels(req.Labels); err != nil {
		return spec, err
	}
	if spec.Limits, err = e.jobLimits(req.Limits); err != nil {
		return spec, err
	}
	if spec.Locks, err = locksOf(req.Locks); err != nil {
		return spec, err
	}
	if spec.After, err = e.after(ctx, req); err != nil {
		return spec, err
	}
	if spec.Seed, err = seedOf(req.Seed, decl.Kind); err != nil {
		return spec, err
	}
	switch req.Cache {
	case "", "on":
		spec.CacheKey = cacheKey(spec)
	case "off":
	default:
		return spec, invalid("cache", "%q: want on or off", req.Cache)
	}
	return spec, nil
}

// after checks the jobs that must complete first. They exist before the job that
// names them, so there can be no cycle.
func (e *Engine) after(ctx context.Context, req Request) (ids []string, err error) {
	if len(req.After) > MaxAfter {
		return nil, invalid("after", "%d jobs: the limit is %d", len(req.After), MaxAfter)
	}
	for _, ref := range req.After {
		id, sibling, err := req.sibling("after", ref)
		if err != nil {
			return nil, err
		}
		if ids = append(ids, id); sibling {
			continue
		}
		parent, err := e.parent(ctx, "after", id)
		if err != nil {
			return nil, err
		}
		if p := parent.Value.Phase; p.Final() && p != job.Completed {
			return nil, invalid("after", "job %s is %s: only a completed job can be followed", id, p)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// parent returns a job that another is to need. One whose batch is expanding does not
// count yet: it may never be.
func (e *Engine) parent(ctx context.Context, field, id string) (ledger.Entry[job.Record], error) {
	found, err := e.jobs.Get(ctx, id)
	if err != nil {
		return found, invalid(field, "no job %q", id)
	}
	if batch := found.Value.Spec.Batch; batch != "" {
		b, err := e.batches.Get(ctx, batch)
		if err == nil && !b.Value.Written {
			return found, invalid(field, "job %s is of batch %s, which is expanding: submit again when that is whole", id, batch)
		}
	}
	return found, nil
}

// sibling resolves @NAME, which names another job of the same batch, to its id.
func (r Request) sibling(field, ref string) (id string, found bool, err error) {
	name, ok := strings.CutPrefix(ref, "@")
	if !ok {
		return ref, false, nil
	}
	if id, found = r.siblings[name]; !found {
		return "", false, invalid(field, "no job in this batch is named %q", name)
	}
	return id, true, nil
}

// locksOf checks named locks and sorts them.
func locksOf(given []job.Lock) ([]job.Lock, error) {
	if len(given) > MaxLocks {
		return nil, invalid("locks", "%d locks: the limit is %d", len(given), MaxLocks)
	}
	locks := slices.Clone(given)
	slices.SortFunc(locks, func(a, b job.Lock) int { return cmp.Compare(a.Name, b.Name) })
	for i := range locks {
		l := &locks[i]
		l.Limit = cmp.Or(l.Limit, 1)
		switch {
		case !lockName.MatchString(l.Name):
			return nil, invalid("locks", "name %q: want up to 128 letters, digits and . _ : / -", l.Name)
		case l.Limit < 1 || l.Limit > maxSlots:
			return nil, invalid("locks", "%s: limit %d: want 1 to %d", l.Name, l.Limit, maxSlots)
		case i > 0 && locks[i-1].Name == l.Name:
			return nil, invalid("locks", "%s is named twice", l.Name)
		}
	}
	return locks, nil
}

const maxLockName = 128 // bytes

var lockName = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,128}$`)

// routine finds what a request names.
func (e *Engine) routine(ctx context.Context, req Request) (Plugin, routine.Routine, error) {
	if req.Routine == "" {
		return Plugin{}, routine.Routine{}, invalid("routine", "is missing: want PLUGIN/ROUTINE, such as tabular/describe")
	}
	if _, err := routine.ParseRef(req.Routine); err != nil {
		return Plugin{}, routine.Routine{}, &Invalid{Field: "routine", Message: err.Error()}
	}
	p, r, err := e.Routine(ctx, req.Tenant, req.Routine)
	if errors.Is(err, ErrNotFound) {
		return p, r, invalid("routine", "no routine %s: GET /api/v1/routines lists what there is", req.Routine)
	}
	return p, r, err
}

// Routine returns what a name stands for now, and its plugin.
func (e *Engine) Routine(ctx context.Context, tenant, name string) (Plugin, routine.Routine, error) {
	ref, err := routine.ParseRef(name)
	if err != nil {
		return Plugin{}, routine.Routine{}, fmt.Errorf("routine %w: %w", err, ErrNotFound)
	}
	p, err := e.plugins.Resolve(ctx, cmp.Or(tenant, DefaultTenant), ref)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Plugin{}, routine.Routine{}, err
	}
	r, ok := p.Find(ref.Routine)
	if !ok {
		return Plugin{}, routine.Routine{}, fmt.Errorf("routine %s: %w", ref, ErrNotFound)
	}
	return p, r, nil
}

func (e *Engine) params(p Plugin, decl routine.Routine, given json.RawMessage) (json.RawMessage, error) {
	s, err := e.schema(p, decl)
	if err != nil {
		return nil, err
	}
	filled, err := s.Fill(given)
	var bad schema.Invalid
	switch {
	case errors.As(err, &bad):
		return nil, &InvalidParams{Routine: p.Name + "/" + decl.Name, Violations: bad}
	case err != nil:
		return nil, err
	case jsonsize.Raw(filled) > job.MaxParams:
		return nil, invalid("params", "%d bytes of JSON with defaults filled in: the limit is %d; pass large data as an input table",
			jsonsize.Raw(filled), job.MaxParams)
	}
	return filled, checkArguments(decl, filled)
}

// checkArguments bounds the arguments of a program, which are made of its params.
func checkArguments(decl routine.Routine, params json.RawMessage) error {
	if decl.Args == nil {
		return nil
	}
	n, err := decl.ArgumentBytes(params)
	if err != nil || n <= routine.MaxArguments {
		return err
	}
	return invalid("params", "%d bytes of arguments when params are filled in: the limit is %d; shorten the params that args name, or pass large data as an input table",
		n, routine.MaxArguments)
}

// schema compiles a routine's schema once.
func (e *Engine) schema(p Plugin, decl routine.Routine) (s *schema.Schema, err error) {
	key := p.Digest + "/" + decl.Name
	e.schemas.Must(func(m *map[string]*schema.Schema) { s = (*m)[key] })
	if s != nil {
		return s, nil
	}
	s, err = schema.Compile(decl.Params)
	if err != nil {
		return nil, fmt.Errorf("routine %s/%s: %w", p.Name, decl.Name, err)
	}
	e.schemas.Must(func(m *map[string]*schema.Schema) {
		if len(*m) >= maxSchemas { // versions come and go
			clear(*m)
		}
		(*m)[key] = s
	})
	return s, nil
}

func parsePriority(s string) (job.Priority, error) {
	switch s {
	case "", "normal":
		return job.Normal, nil
	case "low":
		return job.Low, nil
	case "high":
		return job.High, nil
	}
	return 0, invalid("priority", "%q: want low, normal or high", s)
}

func checkLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return invalid("labels", "%d labels: the limit is %d", len(labels), MaxLabels)
	}
	for k, v := range labels {
		if k == "" || len(k) > MaxLabelLength || len(v) > MaxLabelLength {
			return invalid("labels", "%q: keys and values have up to %d bytes, keys at least one", k, MaxLabelLength)
		}
		if strings.ContainsAny(k, "=,") || !utf8.ValidString(k+v) {
			return invalid("labels", "%q: a key has no '=' and no ',', and all is UTF-8", k)
		}
	}
	return nil
}

// seedOf returns the seed given. A simulation without one gets one of its own; an
// analysis is the same whatever the seed, as a rule, so that it can be cached.
func seedOf(given *uint64, kind routine.Kind) (uint64, error) {
	switch {
	case given == nil && kind != routine.Simulation:
		return 0, nil
	case given == nil:
		return uint64(rand.Uint32()), nil
	case *given > maxSeed:
		return 0, invalid("seed", "%d: the largest is %d", *given, uint64(maxSeed))
	}
	return *given, nil
}
