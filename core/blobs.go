package core

import (
	"thresher/core/job"
	"thresher/core/ledger"
)

// Records hold the blobs that they name, from when they are written until they are
// gone or name them no more.

func (e *Engine) trackJob(c ledger.Change[job.Record]) {
	if !c.Deleted {
		e.ledger.Blobs().Claim(claims(c.Value)...)
	}
	if c.Before != nil {
		e.ledger.Blobs().Release(claims(*c.Before)...)
	}
}

func (e *Engine) trackDataset(c ledger.Change[Dataset]) {
	if !c.Deleted {
		e.ledger.Blobs().Claim(c.Value.digests()...)
	}
	if c.Before != nil {
		e.ledger.Blobs().Release(c.Before.digests()...)
	}
}

func (d Dataset) digests() (list []string) {
	for _, t := range d.Tables {
		list = append(list, t.Digest)
	}
	return list
}

// claims lists what a job's record holds: what it needs, and its plugin's module,
// which is a blob only where someone uploaded it.
func claims(r job.Record) []string { return append(digests(r), r.Spec.Digest) }

// digests lists the blobs that a job needs: its outputs, and its inputs while it
// may still run.
func digests(r job.Record) []string {
	if !r.Phase.Final() {
		return inputDigests(r.Spec)
	}
	if r.Outcome == nil {
		return nil
	}
	return outputDigests(*r.Outcome)
}

func inputDigests(s job.Spec) (list []string) {
	for _, in := range s.Inputs {
		if in.Digest != "" {
			list = append(list, in.Digest)
		}
	}
	return list
}

func outputDigests(o job.Outcome) (list []string) {
	for _, t := range o.Tables {
		list = append(list, t.Digest)
	}
	for _, a := range o.Artifacts {
		list = append(list, a.Digest)
	}
	if o.ResultRef != nil {
		list = append(list, o.ResultRef.Digest)
	}
	if o.Log != nil {
		list = append(list, o.Log.Digest)
	}
	return list
}

// outputBytes is how much of the disk a job's outputs take at most: content that
// others have too is counted in each.
func outputBytes(r job.Record) (n int64) {
	o := r.Outcome
	if o == nil {
		return 0
	}
	n = int64(len(o.Result))
	for _, t := range o.Tables {
		n += t.Bytes
	}
	for _, a := range o.Artifacts {
		n += a.Bytes
	}
	if o.ResultRef != nil {
		n += o.ResultRef.Bytes
	}
	if o.Log != nil {
		n += o.Log.Bytes
	}
	return n
}
