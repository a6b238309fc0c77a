package core

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/schema"
)

// Request asks for a job.
type Request struct {
	Routine  string            `json:"routine"`            // plugin/routine
	Params   json.RawMessage   `json:"params,omitempty"`   // an object that fits the routine's schema
	Inputs   map[string]string `json:"inputs,omitempty"`   // input → DATASET[/TABLE] or job:ID/TABLE
	Seed     *uint64           `json:"seed,omitempty"`     // drawn if absent
	Labels   map[string]string `json:"labels,omitempty"`   // to find it by
	Priority string            `json:"priority,omitempty"` // low, normal (default) or high
	Limits   *job.Limits       `json:"limits,omitempty"`   // zero fields take the default
}

// Bounds of a request.
const (
	MaxLabels      = 16
	MaxLabelLength = 63
	maxSeed        = 1<<53 - 1 // what every JSON reader keeps exactly
	maxParams      = 256 << 10 // bytes, with defaults filled in: a record must stay small
)

// Submit makes a job durable and lets it run when the limits allow.
func (e *Engine) Submit(ctx context.Context, req Request) (Job, error) {
	if err := e.closed(); err != nil {
		return Job{}, err
	}
	spec, err := e.specOf(ctx, req)
	if err != nil {
		return Job{}, err
	}
	r := job.Record{
		ID:      ulid.Make().String(),
		Tenant:  "default",
		Spec:    spec,
		Desired: job.WantRun,
		Phase:   job.Pending,
		Created: e.cfg.Now().UTC(),
	}
	if err := e.dispatch.Admit(r.ID); err != nil {
		return Job{}, err
	}
	defer e.dispatch.Withdraw(r.ID)
	if _, err := e.jobs.Create(ctx, r.ID, r); err != nil {
		return Job{}, fmt.Errorf("submit: %w", err)
	}
	return e.Job(ctx, r.ID)
}

func (e *Engine) specOf(ctx context.Context, req Request) (job.Spec, error) {
	plugin, decl, err := e.routine(req.Routine)
	if err != nil {
		return job.Spec{}, err
	}
	params, err := e.params(plugin, decl, req.Params)
	if err != nil {
		return job.Spec{}, err
	}
	inputs, err := e.inputs(ctx, decl, req.Inputs)
	if err != nil {
		return job.Spec{}, err
	}
	priority, err := parsePriority(req.Priority)
	if err != nil {
		return job.Spec{}, err
	}
	if err := checkLabels(req.Labels); err != nil {
		return job.Spec{}, err
	}
	limits, err := e.jobLimits(req.Limits)
	if err != nil {
		return job.Spec{}, err
	}
	seed, err := seedOf(req.Seed)
	if err != nil {
		return job.Spec{}, err
	}
	return job.Spec{
		Routine:  plugin.Name + "/" + decl.Name,
		Version:  plugin.Version,
		Digest:   plugin.Digest,
		Kind:     decl.Kind,
		Params:   params,
		Inputs:   inputs,
		Seed:     seed,
		Labels:   req.Labels,
		Priority: priority,
		Limits:   limits,
	}, nil
}

// routine finds what a request names.
func (e *Engine) routine(name string) (Plugin, routine.Routine, error) {
	if name == "" {
		return Plugin{}, routine.Routine{}, invalid("routine", "is missing: want PLUGIN/ROUTINE, such as tabular/describe")
	}
	ref, err := routine.ParseRef(name)
	if err != nil {
		return Plugin{}, routine.Routine{}, &Invalid{Field: "routine", Message: err.Error()}
	}
	for _, p := range e.plugins.List() {
		if p.Name != ref.Plugin || ref.Version != "" && p.Version != ref.Version {
			continue
		}
		if r, ok := p.Find(ref.Routine); ok {
			return p, r, nil
		}
	}
	return Plugin{}, routine.Routine{}, invalid("routine", "no routine %s: GET /api/v1/routines lists what there is", ref)
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
	case len(filled) > maxParams:
		return nil, invalid("params", "take %d bytes: the limit is %d", len(filled), maxParams)
	}
	return filled, nil
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
	e.schemas.Must(func(m *map[string]*schema.Schema) { (*m)[key] = s })
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

func seedOf(given *uint64) (uint64, error) {
	if given == nil {
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw a seed: %w", err)
		}
		return uint64(binary.LittleEndian.Uint32(b[:])), nil
	}
	if *given > maxSeed {
		return 0, invalid("seed", "%d: the largest is %d", *given, uint64(maxSeed))
	}
	return *given, nil
}
