package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"thresher/core"
	"thresher/plugins/sandbox/vet"
)

// Report is what was found of a module on its way to being loaded.
type Report struct {
	Digest   string       `json:"digest"`
	Bytes    int64        `json:"bytes"`
	Accepted bool         `json:"accepted"`
	Refusal  *Refused     `json:"refusal,omitempty"` // where it was not
	Steps    []Step       `json:"steps"`             // those that were taken, the last one maybe in vain
	Figures  []vet.Figure `json:"figures,omitempty"` // the most of each limited thing
	Image    *ImageReport `json:"image,omitempty"`   // what its jobs start from
	Plain    string       `json:"plain,omitempty"`   // why there is no image
	Counted  *CountReport `json:"counted,omitempty"` // what its jobs have by a count, so that it is the same each time
	Plugin   *core.Plugin `json:"plugin,omitempty"`  // what it says it is

	Examples []ExampleReport `json:"examples,omitempty"` // of the plugin's own, those that were run
	Now      string          `json:"now,omitempty"`      // the step that is being taken

	watch func(Report)
}

// MarshalJSON writes a report without steps with an empty list: null is not a list.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	if r.Steps == nil {
		r.Steps = []Step{}
	}
	return json.Marshal(plain(r))
}

// Refused says why a module was refused, and where in it.
type Refused struct {
	Code   string       `json:"code"`            // stable: docs/errors.md lists them
	Check  string       `json:"check,omitempty"` // the step that it did not pass
	Detail string       `json:"detail"`
	Place  string       `json:"place,omitempty"` // such as a routine and its example
	Found  string       `json:"found,omitempty"`
	Want   string       `json:"want,omitempty"`  // what would have passed
	Where  *vet.Refusal `json:"where,omitempty"` // where it is about a place in the module
	Docs   string       `json:"docs"`            // where the code is explained
}

// Step is a step on the way, and how long it took.
type Step struct {
	Name    string  `json:"name" enum:"vet,rewrite,compile,image,describe,examples"`
	Seconds float64 `json:"seconds"`
}

// ImageReport says how large an image is.
type ImageReport struct {
	Bytes   uint64 `json:"bytes"`   // of memory
	Globals int    `json:"globals"` // that change
}

// CountReport says what follows from a count, not from a clock.
type CountReport struct {
	StackBytes uint64 `json:"stack_bytes"`        // that nested calls may take
	FrameBytes uint64 `json:"frame_bytes"`        // that the function which takes the most takes of them
	StepGas    uint64 `json:"step_gas,omitempty"` // that the steps a simulation is asked for at once should spend
}

// Check takes a module all the way to where it could be run, runs its examples, and
// says what was found. It is not loaded. watch, which may be nil, is called with the
// report as it grows. An error is not the module's fault.
func (h *Host) Check(ctx context.Context, wasm []byte, watch func(Report)) (Report, error) {
	return h.report(ctx, wasm, watch, true)
}

// Inspect is Check without running examples. Where this program has inspected the same
// bytes before, it reads in its cache what they are.
func (h *Host) Inspect(ctx context.Context, wasm []byte, watch func(Report)) (Report, error) {
	digest := digestOf(wasm)
	if m, found := h.recallManifest(digest); found {
		size := int64(len(wasm))
		return Report{Digest: digest, Bytes: size, Accepted: true, Plugin: &core.Plugin{Manifest: m, Digest: digest, Bytes: size}}, nil
	}
	r, err := h.report(ctx, wasm, watch, false)
	if err == nil && r.Accepted {
		h.rememberManifest(digest, r.Plugin.Manifest)
	}
	return r, err
}

func (h *Host) report(ctx context.Context, wasm []byte, watch func(Report), examples bool) (Report, error) {
	r := Report{Digest: digestOf(wasm), Bytes: int64(len(wasm)), watch: watch}
	err := h.check(preparing(ctx), wasm, &r, examples)
	r.watch = nil
	var refused *Refusal
	switch {
	case err == nil:
		r.Accepted, r.Now = true, ""
		return r, nil
	case errors.As(err, &refused):
		r.Refusal = refused.report(r.Now)
		r.Now = ""
		return r, nil
	}
	return r, err
}

func (h *Host) check(ctx context.Context, wasm []byte, r *Report, examples bool) error {
	m, err := h.build(ctx, wasm, r.Digest, r)
	if err != nil {
		return err
	}
	plugin := m.plugin
	r.Plugin = &plugin
	if examples {
		end := r.step("examples")
		err = h.examples(ctx, m, r)
		end()
	}
	return errors.Join(err, h.unload(ctx, m))
}

// report says the refusal of a step.
func (r *Refusal) report(step string) *Refused {
	said := &Refused{
		Code: r.Code, Check: step, Detail: r.Detail, Place: r.Place, Found: r.Found, Want: r.Want,
		Docs: "/docs/errors#" + r.Code,
	}
	if errors.As(r, &said.Where) && said.Where.Rule != "" {
		said.Found, said.Want = fmt.Sprint(said.Where.Found), fmt.Sprintf("%d at most", said.Where.Limit)
	}
	said.Want = cmp.Or(said.Want, hint(r.Code))
	return said
}

// step notes that a step begins. The function that it returns notes the end.
func (r *Report) step(name string) (end func()) {
	start := time.Now()
	r.Now = name
	r.tell()
	return func() { r.Steps = append(r.Steps, Step{name, time.Since(start).Seconds()}) }
}

// tell shows the report to who watches. What it is given does not change any more.
func (r *Report) tell() {
	if r.watch != nil {
		now := *r
		now.watch, now.Steps, now.Examples = nil, slices.Clone(r.Steps), slices.Clone(r.Examples)
		r.watch(now)
	}
}
