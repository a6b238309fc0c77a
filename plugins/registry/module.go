package registry

import (
	"fmt"
	"time"

	"thresher/core"
	"thresher/plugins/sandbox"
)

// Module is the record of a module that was uploaded. It changes by its methods that
// return the record that follows, and by nothing else.
type Module struct {
	Tenant    string          `json:"tenant"`           // empty: everyone's
	Origin    Origin          `json:"origin,omitempty"` // empty: it was uploaded
	Place     string          `json:"place,omitempty"`  // its file, or its name, where it was not
	Digest    string          `json:"digest"`           // SHA-256 of its bytes, hex
	Bytes     int64           `json:"bytes"`
	Phase     Phase           `json:"phase"`
	Activate  bool            `json:"activate"`           // who uploaded it wants that
	Attempts  int             `json:"attempts,omitempty"` // verifications that were begun
	Tried     *time.Time      `json:"tried,omitempty"`    // when the last one was
	Uploaded  Who             `json:"uploaded"`
	Decided   *time.Time      `json:"decided,omitempty"`
	Signature *Signature      `json:"signature,omitempty"`
	Report    *sandbox.Report `json:"report,omitempty"` // once decided; with the manifest
}

// Phase is how far a module is.
type Phase string

// The phases.
const (
	Verifying Phase = "verifying"
	Accepted  Phase = "accepted" // and its version is, or is about to be, in its plugin's record
	Rejected  Phase = "rejected" // its bytes are not kept
)

// maxAttempts is how often a verification is begun that the server does not live to
// see the end of, or that fails through no fault of the module's.
const maxAttempts = 5

// Plugin returns what can be run, of a module that was accepted.
func (m Module) Plugin() core.Plugin {
	if m.Report == nil || m.Report.Plugin == nil {
		return core.Plugin{}
	}
	return *m.Report.Plugin
}

// begin notes that a verification begins. ok is false where it was tried too often:
// then the module is rejected.
func (m Module) begin(now time.Time) (next Module, ok bool, err error) {
	if m.Phase != Verifying {
		return m, false, m.illegal("be verified")
	}
	if m.Attempts >= maxAttempts {
		next, err = m.reject(&sandbox.Refused{
			Code: "verification_failed", Docs: "/docs/errors#verification_failed",
			Detail: fmt.Sprintf("the server could not bring its verification to an end in %d attempts: its log may say why", m.Attempts),
		}, now)
		return next, false, err
	}
	m.Attempts++
	m.Tried = &now
	return m, true, nil
}

// leave takes back begin, where the server shuts down.
func (m Module) leave() (Module, error) {
	if m.Phase != Verifying || m.Attempts == 0 {
		return m, m.illegal("be left")
	}
	m.Attempts--
	if m.Attempts == 0 {
		m.Tried = nil
	}
	return m, nil
}

// decide takes in what a verification found.
func (m Module) decide(r sandbox.Report, now time.Time) (Module, error) {
	if m.Phase != Verifying {
		return m, m.illegal("be decided on")
	}
	r = bounded(r)
	m.Phase, m.Report, m.Decided = Accepted, &r, &now
	if !r.Accepted {
		m.Phase = Rejected
	}
	return m, nil
}

// reject refuses a module that has not got its version yet, for a reason that its
// bytes do not tell.
func (m Module) reject(why *sandbox.Refused, now time.Time) (Module, error) {
	if m.Phase == Rejected {
		return m, m.illegal("be rejected")
	}
	r := sandbox.Report{Digest: m.Digest, Bytes: m.Bytes}
	if m.Report != nil {
		r = *m.Report
	}
	r.Accepted, r.Refusal, r.Now = false, why, ""
	r = bounded(r)
	m.Phase, m.Report, m.Decided = Rejected, &r, &now
	return m, nil
}

// again is the same bytes uploaded once more, after they were rejected: what they were
// held against may have changed.
func (m Module) again(u Module) (Module, error) {
	if m.Phase != Rejected {
		return m, m.illegal("be verified again")
	}
	return u, nil
}

func (m Module) illegal(what string) error {
	return refuse("illegal_state", "the module %s is %s and cannot %s", m.Digest, m.Phase, what)
}

// moduleKey and pluginKey are the keys of records. An upper case letter parts the
// names, which have none.
func moduleKey(tenant, digest string) string { return tenant + "M" + digest }

func pluginKey(tenant, name string) string { return tenant + "P" + name }
