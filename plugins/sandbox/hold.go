package sandbox

import (
	"fmt"

	"thresher/core/job"
)

// What the host makes for a guest counts as the guest's memory. It is held before it is
// allocated: counted, beside the linear memory, against the job's limit. What is bounded by
// a constant, such as the names of an output, is not.

// hold counts bytes that are about to be allocated, or ends the guest if they are more
// than its limit has room for.
func (k *call) hold(what string, bytes int) {
	m := k.memory
	if left := m.limit - min(m.size+m.host, m.limit); uint64(bytes) > left {
		panic(&job.Error{
			Code: "memory_limit", Title: "The job needed more memory than its limit",
			Detail: k.told(fmt.Sprintf("limit %d bytes; it had %d, and the host another %d for it, when %d more were needed for %s", m.limit, m.size, m.host, bytes, what)),
		})
	}
	m.host += uint64(bytes)
	m.peak = max(m.peak, m.size+m.host)
}

// letGo no longer counts bytes that were held.
func (k *call) letGo(bytes int) { k.memory.host -= uint64(bytes) }

// heldBuffer is text that grows, and is held.
type heldBuffer struct {
	k    *call
	text []byte
}

// Write implements io.Writer.
func (b *heldBuffer) Write(p []byte) (int, error) {
	if need := len(b.text) + len(p); need > cap(b.text) {
		before := cap(b.text)
		b.k.hold("standard output", max(need, 2*before))
		b.text = append(make([]byte, 0, max(need, 2*before)), b.text...)
		b.k.letGo(before)
	}
	b.text = append(b.text, p...)
	return len(p), nil
}
