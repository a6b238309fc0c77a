package ledger

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/ledger/disktest"
)

var powerCuts = flag.Int("power-cuts", 3, "how often the power is cut")

// powerFolder names the folder in which a child process replaces records until its
// disk has no power.
const powerFolder = "THRESHER_TEST_POWER_FOLDER"

// replaceUntilCut replaces few large records again and again, so that the log is often
// changed for a new one, and prints each write that was acknowledged: "key n time".
func replaceUntilCut(dir string) {
	ctx := context.Background()
	s := openInChild(ctx, dir)
	text := strings.Repeat("x", 12_000)
	var out sync.Mutex
	var writers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for {
				key := fmt.Sprintf("%d-%d", w, rand.N(8))
				e, err := s.Modify(ctx, key, func(old *note) (*note, error) {
					if old == nil {
						return &note{text, 1}, nil
					}
					return &note{text, old.N + 1}, nil
				})
				if err != nil {
					return // the disk has gone
				}
				out.Lock()
				fmt.Println(key, e.Value.N, time.Now().UnixNano())
				out.Unlock()
			}
		})
	}
	writers.Wait()
}

// A batch replaces records: until it is on disk, so must be what it replaces.
func TestNoRecordIsLostToPowerCutsWhileItIsReplaced(t *testing.T) {
	t.Parallel()
	d := disktest.New(t)
	dir := filepath.Join(d.Dir, "data")
	acknowledged := map[string]int{}
	for round := range *powerCuts {
		powerRound(t, d, dir, acknowledged)
		if t.Failed() {
			t.Fatalf("after %d cuts", round+1)
		}
	}
	t.Logf("%d power cuts, %d records", *powerCuts, len(acknowledged))
}

// powerRound cuts the power while a child writes, and looks for what it acknowledged.
func powerRound(t *testing.T, d *disktest.Disk, dir string, acknowledged map[string]int) {
	t.Helper()
	child, stdout := startChild(t, powerFolder, dir)
	defer watch(t, child)()
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	// A machine without power tells nobody anything: what is told after the moment of
	// the cut does not count.
	var over atomic.Int64
	made := make(chan struct{})
	cut := time.AfterFunc(rand.N(600*time.Millisecond)+200*time.Millisecond, func() {
		defer close(made)
		over.Store(time.Now().UnixNano())
		d.Cut()
	})
	for more := true; more; more = lines.Scan() {
		var key string
		var n int
		var at int64
		_, err := fmt.Sscan(lines.Text(), &key, &n, &at)
		require.NoError(t, err)
		if over := over.Load(); over == 0 || at < over {
			acknowledged[key] = n
		}
	}
	if !cut.Stop() {
		<-made // or it would cut the power of the disk that is restored
	}
	_ = child.Wait()
	d.Restore()
	keptSince(t, dir, acknowledged)
}

func keptSince(t *testing.T, dir string, acknowledged map[string]int) {
	t.Helper()
	l, err := Open(t.Context(), Config{Dir: dir})
	require.NoError(t, err)
	defer func() { assert.NoError(t, l.Close(context.Background())) }()
	s, err := OpenStore(t.Context(), l, "notes", StoreConfig[note]{})
	require.NoError(t, err)
	for key, n := range acknowledged {
		e, err := s.Get(t.Context(), key)
		if assert.NoError(t, err, key) {
			assert.GreaterOrEqual(t, e.Value.N, n, key)
		}
	}
}
