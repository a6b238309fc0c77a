package core

import (
	"strconv"
	"strings"

	"thresher/core/job"
	"thresher/core/ledger"
)

func (d Dataset) digests() (list []string) {
	for _, t := range d.Tables {
		list = append(list, t.Digest)
	}
	return list
}

// jobBlobs lists the blobs that a job's record refers to: what it needs, and its plugin's
// module while it may still run.
func jobBlobs(r job.Record) []string {
	if r.Phase.Final() {
		return digests(r)
	}
	return append(digests(r), r.Spec.Digest)
}

// retainedBlobs lists the blobs that are kept with the record of a job that has ended,
// while they are there: its plugin's module, for those who retry it. Where that is gone
// the job lacks nothing, and a retry says so.
func retainedBlobs(r job.Record) []string {
	if r.Phase.Final() {
		return []string{r.Spec.Digest}
	}
	return nil
}

// digests lists the blobs that a job needs: its outputs, its inputs while it may still
// run, and the logs of attempts that left no outputs.
func digests(r job.Record) (list []string) {
	for _, b := range neededBlobs(r) {
		list = append(list, b.Digest)
	}
	return list
}

// neededBlobs is digests, with the sizes that are known.
func neededBlobs(r job.Record) (list []ledger.Blob) {
	if !r.Phase.Final() {
		for _, digest := range inputDigests(r.Spec) {
			list = append(list, ledger.Unsized(digest))
		}
	}
	for _, b := range writtenBlobs(r) {
		list = append(list, b.blob)
	}
	return list
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
	for _, b := range outputBlobs(o) {
		list = append(list, b.blob.Digest)
	}
	return list
}

// owned is a blob, and what it is of its job.
type owned struct {
	blob       ledger.Blob
	kind, name string
}

// what is such as "table steps".
func (o owned) what() string { return strings.TrimSuffix(o.kind+" "+o.name, " ") }

// writtenBlobs lists what a job has written: the outputs of one that has ended, and the
// logs of attempts that left no outputs.
func writtenBlobs(r job.Record) (list []owned) {
	if r.Phase.Final() && r.Outcome != nil {
		list = outputBlobs(*r.Outcome)
	}
	for _, a := range r.Attempts {
		if a.Log != nil {
			list = append(list, attemptLog(a))
		}
	}
	return list
}

// attemptLog is the log of an attempt that has one.
func attemptLog(a job.Attempt) (o owned) {
	o.kind, o.name = "log of attempt", strconv.Itoa(a.Number)
	if a.Log != nil {
		o.blob = ledger.Blob(a.Log.Blob)
	}
	return o
}

func outputBlobs(o job.Outcome) (list []owned) {
	for _, t := range o.Tables {
		list = append(list, owned{ledger.Blob(t.Blob), "table", t.Name})
	}
	for _, a := range o.Artifacts {
		list = append(list, owned{ledger.Blob(a.Blob), "artifact", a.Name})
	}
	if o.ResultRef != nil {
		list = append(list, owned{ledger.Blob(*o.ResultRef), "result", ""})
	}
	if o.Log != nil {
		list = append(list, owned{ledger.Blob(o.Log.Blob), "log", ""})
	}
	return list
}

// outputBytes is how much of the disk a job's outputs take at most: content that
// others have too is counted in each.
func outputBytes(r job.Record) (n int64) {
	for _, a := range r.Attempts {
		if a.Log != nil {
			n += a.Log.Bytes
		}
	}
	o := r.Outcome
	if o == nil {
		return n
	}
	n += int64(len(o.Result))
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
