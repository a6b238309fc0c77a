package sandbox

import (
	"context"
	"errors"
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
	Plugin   *core.Plugin `json:"plugin,omitempty"`  // what it says it is
}

// Refused says why a module was refused, and where in it.
type Refused struct {
	Code   string       `json:"code"` // stable: docs/errors.md lists them
	Detail string       `json:"detail"`
	Where  *vet.Refusal `json:"where,omitempty"` // where it is about a place in the module
}

// Step is a step on the way, and how long it took.
type Step struct {
	Name    string  `json:"name"` // vet, rewrite, compile, image, describe
	Seconds float64 `json:"seconds"`
}

// ImageReport says how large an image is.
type ImageReport struct {
	Bytes   uint64 `json:"bytes"`   // of memory
	Globals int    `json:"globals"` // that change
}

// Check takes a module all the way to where it could be run, and says what was found.
// It is not loaded. An error is not the module's fault.
func (h *Host) Check(ctx context.Context, wasm []byte) (Report, error) {
	r := Report{Digest: digestOf(wasm), Bytes: int64(len(wasm))}
	m, err := h.build(ctx, wasm, &r)
	var refused *Refusal
	switch {
	case err == nil:
		r.Accepted = true
		r.Plugin = &m.plugin
		return r, m.close(ctx)
	case errors.As(err, &refused):
		r.Refusal = &Refused{Code: refused.Code, Detail: refused.Detail}
		errors.As(err, &r.Refusal.Where) // it need not be about a place
		return r, nil
	}
	return r, err
}

// step notes that a step begins. The function that it returns notes the end.
func (r *Report) step(name string) (end func()) {
	start := time.Now()
	return func() { r.Steps = append(r.Steps, Step{name, time.Since(start).Seconds()}) }
}
