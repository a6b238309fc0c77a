package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// What an error keeps of a guest's log: its end.
const (
	tailBytes = 2 << 10
	tailLines = 20
)

// tail is the end of what a guest wrote.
type tail []byte

func (t *tail) add(p []byte) {
	if len(p) > tailBytes {
		p, *t = p[len(p)-tailBytes:], (*t)[:0]
	}
	if over := len(*t) + len(p) - tailBytes; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	*t = append(*t, p...)
}

// lines are its last, from the beginning of a line on where it can be.
func (t tail) lines() string {
	text := bytes.TrimRight(t, "\n")
	if cut := bytes.IndexByte(text, '\n'); len(t) == tailBytes && cut >= 0 {
		text = text[cut+1:]
	}
	lines := strings.Split(printable(text), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// log appends to the job's log, and keeps the end of it for an error to show.
func (k *call) log(ctx context.Context, text []byte) {
	k.parts(ctx, copied, text, func(part []byte) bool {
		k.Host.Log(part)
		k.tail.add(part)
		return true
	})
}

// told is what happened, with all that helps an author to find out why: in which
// routine, what it had used beside its limits, and how its log ends.
func (k *call) told(what string) string {
	var b strings.Builder
	b.WriteString(what)
	if k.Routine != "" {
		fmt.Fprintf(&b, ", in routine %s", k.Routine)
	}
	b.WriteString(". It had used " + k.usage())
	if last := k.tail.lines(); last != "" {
		b.WriteString(". Its log ends:\n" + last)
	}
	if k.program != nil && len(k.program.said) > 0 { // where TinyGo's panics are
		b.WriteString(". Its output ends:\n" + k.program.said.lines())
	}
	return b.String()
}

// usage is what it had used, but for time: the same job fails with the same text. Its time
// is in the job's record.
func (k *call) usage() string {
	return fmt.Sprintf("%s bytes of memory, %s of gas",
		beside(fmt.Sprint(k.memory.peak), k.memoryLimit() > 0, k.memoryLimit()),
		beside(fmt.Sprint(k.meter.used()), k.meter.gasLimit > 0, k.meter.gasLimit))
}

// beside is a figure beside its limit, if it has one.
func beside(used string, limited bool, limit any) string {
	if !limited {
		return used
	}
	return fmt.Sprintf("%s of %v", used, limit)
}
