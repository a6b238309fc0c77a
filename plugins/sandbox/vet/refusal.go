package vet

import (
	"fmt"
	"strings"
)

// Refusal says why a module may not be compiled.
type Refusal struct {
	Code     string `json:"code"`           // stable: docs/errors.md lists them
	Rule     string `json:"rule,omitempty"` // the limit that is passed, as [Limits.Set] names it
	Function int    `json:"function"`       // its index; -1: it is about no function
	Name     string `json:"name,omitempty"` // the function's, if the module names it
	Offset   int    `json:"offset"`         // in the module
	Found    uint64 `json:"found,omitempty"`
	Limit    uint64 `json:"limit,omitempty"`
	Detail   string `json:"detail"`
}

// maxName bounds what a module's own names add to a message, in bytes.
const maxName = 200

func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at offset %d", r.Offset)
	if r.Function >= 0 {
		fmt.Fprintf(&b, ", function %d", r.Function)
	}
	if r.Name != "" {
		fmt.Fprintf(&b, " %.*q", maxName, r.Name)
	}
	b.WriteString(": ")
	if r.Rule == "" {
		b.WriteString(r.Detail)
		return b.String()
	}
	fmt.Fprintf(&b, "%d %s: the limit is %d (%s)", r.Found, r.Detail, r.Limit, r.Rule)
	return b.String()
}

func refuse(code string, offset int, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Function: -1, Offset: offset, Detail: fmt.Sprintf(format, args...)}
}

// within says in which function it is.
func (r *Refusal) within(function int) *Refusal {
	r.Function = function
	return r
}

// Codes are all the codes that a refusal can have.
func Codes() []string {
	codes := []string{"not_wasm", "component_binary", "invalid_module", "instruction_unknown",
		"import_unknown", "import_signature", "export_missing", "export_signature", "abi_unknown", "abi_version"}
	for _, f := range features {
		codes = append(codes, "feature_"+string(f))
	}
	for i := range rules {
		codes = append(codes, rule(i).code())
	}
	return codes
}
