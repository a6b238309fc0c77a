package hostile_test

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// holding is what this process holds of the machine. Where there is no /proc it is
// only what the collector knows of.
type holding struct {
	heap     int // bytes, that the collector knows of
	mappings map[use]mapped
	files    int
	threads  int
}

// mapped is how many mappings there are, and how many bytes of them are in memory.
type mapped struct{ count, bytes int }

// use is what a mapping is for.
type use string

// The sandbox's own mappings, and everything else: Go's heap, threads' arenas, the
// program itself.
const (
	ofImages = use("images")         // memory files, mapped privately over guests' memories, and once to copy from
	ofGuests = use("guests' memory") // reserved, without a file
	ofCode   = use("code")           // of modules
	ofFiles  = use("files")          // tables, and what the ledger maps
	// The race detector keeps several bytes for each that was ever used, and gives them
	// back when it likes. A new thread has two of these and two others.
	ofShadow = use("threads' stacks and the race detector's")
	ofOthers = use("others")
)

// held waits until the collector has nothing more to find.
func held(t *testing.T) (h holding) {
	t.Helper()
	for range 3 {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.heap = int(m.HeapAlloc)
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		return h
	}
	h.look(t)
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	h.files = len(files)
	threads, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	h.threads = len(threads)
	return h
}

// look asks the kernel for the mappings, what each is like, and how much of it is in
// memory.
func (h *holding) look(t *testing.T) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	h.mappings = map[use]mapped{}
	var head []string // the line that a mapping begins with: addresses, rights, …, path
	kib := 0
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		switch {
		case !strings.HasSuffix(fields[0], ":"):
			head = fields
		case fields[0] == "Rss:":
			kib, err = strconv.Atoi(fields[1])
			require.NoError(t, err)
		case fields[0] == "VmFlags:":
			what := useOf(t, head, fields)
			m := h.mappings[what]
			h.mappings[what] = mapped{m.count + 1, m.bytes + kib<<10}
		}
	}
}

// resident is what this process has in memory, but for what the race detector adds.
func (h holding) resident() (bytes int) {
	for what, m := range h.mappings {
		if what != ofShadow {
			bytes += m.bytes
		}
	}
	return bytes
}

// least is less than any guest's memory reserves, and more than what malloc does.
const least = 256 << 20

func useOf(t *testing.T, head, flags []string) use {
	path := ""
	if len(head) > 5 {
		path = head[5]
	}
	var from, to uint64
	_, err := fmt.Sscanf(head[0], "%x-%x", &from, &to)
	require.NoError(t, err)
	switch {
	case strings.HasPrefix(path, "/memfd:thresher-image"):
		return ofImages
	case slices.Contains(flags, "nh"): // never in huge pages
		return ofShadow
	case path == "" && strings.Contains(head[1], "x"):
		return ofCode
	case path == "" && slices.Contains(flags, "nr") && to-from >= least: // reserved
		return ofGuests
	case strings.HasPrefix(path, os.TempDir()):
		return ofFiles
	}
	return ofOthers
}

func (h holding) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d MiB resident, heap %d MiB, %d files, %d threads; mappings:", h.resident()>>20, h.heap>>20, h.files, h.threads)
	for _, what := range slices.Sorted(maps.Keys(h.mappings)) {
		fmt.Fprintf(&out, " %d of %s with %d MiB,", h.mappings[what].count, what, h.mappings[what].bytes>>20)
	}
	return out.String()
}

// nothingIsLeft returns what is to be called when every host is closed: then the
// sandbox has no mapping that it had not before.
func nothingIsLeft(t *testing.T) func() {
	before := held(t).mappings
	return func() {
		after := held(t)
		t.Log("closed:", after)
		for _, what := range []use{ofImages, ofGuests, ofCode, ofFiles} {
			assert.Equal(t, before[what].count, after.mappings[what].count, what)
		}
	}
}

// mustBe holds what is held against what was held before: memory within a tenth, and
// no mapping or file more than chance explains. What others give back a little later
// is waited for.
func (h holding) mustBe(t *testing.T, before holding) {
	t.Helper()
	for range 50 {
		if h.near(before) {
			break
		}
		time.Sleep(100 * time.Millisecond) // what is under way has no signal of its own
		h = held(t)
	}
	t.Log("before:", before)
	t.Log("after: ", h)
	assert.True(t, h.near(before), "within a tenth of the memory, and no more mappings or files")
}

const (
	// A mapping or a file may come with a thread, or with a segment of the ledger.
	chance = 32
	// breath is what a running engine's heap moves by from round to round: records
	// until retention takes them, pages of the ledger, pools. Six rounds on end stayed
	// within 10 MiB; the memory of one attack alone that is not given back is more.
	breath = 16 << 20
)

func (h holding) near(before holding) bool {
	return h.resident() <= before.resident()+before.resident()/10+breath && h.heap <= before.heap+before.heap/10+breath &&
		h.mappings[ofOthers].count <= before.mappings[ofOthers].count+chance && h.files <= before.files+chance
}
