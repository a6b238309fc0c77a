package core

import "thresher/core/job"

func (d Dataset) digests() (list []string) {
	for _, t := range d.Tables {
		list = append(list, t.Digest)
	}
	return list
}

// jobBlobs lists the blobs that a job's record keeps: what it needs, and its plugin's
// module.
func jobBlobs(r job.Record) []string { return append(digests(r), r.Spec.Digest) }

// digests lists the blobs that a job needs: its outputs, its inputs while it may still
// run, and the logs of attempts that left no outputs.
func digests(r job.Record) []string {
	logs := attemptLogs(r)
	if !r.Phase.Final() {
		return append(inputDigests(r.Spec), logs...)
	}
	if r.Outcome == nil {
		return logs
	}
	return append(outputDigests(*r.Outcome), logs...)
}

func attemptLogs(r job.Record) (list []string) {
	for _, a := range r.Attempts {
		if a.Log != nil {
			list = append(list, a.Log.Digest)
		}
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
