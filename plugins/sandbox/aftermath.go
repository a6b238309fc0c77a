package sandbox

import (
	"bytes"
	"fmt"
	"strings"
)

// What an error keeps of a guest's log: its end.
const (
	tailBytes = 2 << 10
	tailLines = 20
)

// log appends to the job's log, and keeps the end of it for an error to show.
func (k *call) log(p []byte) {
	k.Host.Log(p)
	if len(p) > tailBytes {
		p, k.tail = p[len(p)-tailBytes:], k.tail[:0]
	}
	if over := len(k.tail) + len(p) - tailBytes; over > 0 {
		k.tail = append(k.tail[:0], k.tail[over:]...)
	}
	k.tail = append(k.tail, p...)
}

// lastLines is the end of the log, from the beginning of a line on where it can be.
func (k *call) lastLines() string {
	text := bytes.TrimRight(k.tail, "\n")
	if cut := bytes.IndexByte(text, '\n'); len(k.tail) == tailBytes && cut >= 0 {
		text = text[cut+1:]
	}
	lines := strings.Split(printable(text), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
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
	if last := k.lastLines(); last != "" {
		b.WriteString(". Its log ends:\n" + last)
	}
	return b.String()
}

func (k *call) usage() string {
	m := &k.meter
	if m.gas != nil {
		m.settle(int64(m.gas.Get()))
	}
	m.look()
	return fmt.Sprintf("%s bytes of memory, %s s of CPU, %s of gas",
		beside(fmt.Sprint(k.memory.peak), k.memoryLimit() > 0, k.memoryLimit()),
		beside(fmt.Sprintf("%.3f", m.cpu.Seconds()), m.cpuLimit > 0, m.cpuLimit.Seconds()),
		beside(fmt.Sprint(m.spent), m.gasLimit > 0, m.gasLimit))
}

// beside is a figure beside its limit, if it has one.
func beside(used string, limited bool, limit any) string {
	if !limited {
		return used
	}
	return fmt.Sprintf("%s of %v", used, limit)
}
