package ledger

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crashFolder names the folder that a child process writes to until it is killed.
const crashFolder = "THRESHER_TEST_CRASH_FOLDER"

// openInChild opens a store in a process of its own, which has no test to fail.
func openInChild(ctx context.Context, dir string) *Store[note] {
	l, err := Open(ctx, Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	s, err := OpenStore(ctx, l, "notes", StoreConfig[note]{})
	if err != nil {
		panic(err)
	}
	return s
}

// writeUntilKilled creates and updates records from several goroutines and prints
// each write that was acknowledged, a line each: "key n".
func writeUntilKilled(dir string) {
	ctx := context.Background()
	s := openInChild(ctx, dir)
	var out sync.Mutex
	for w := range 32 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				_, err := s.Create(ctx, key, note{N: 1})
				if err == nil && i%2 == 0 {
					_, err = s.Modify(ctx, key, func(*note) (*note, error) { return &note{N: 2}, nil })
				}
				if err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Println(key, 1+(i+1)%2)
				out.Unlock()
			}
		}()
	}
	select {}
}

func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[string]int{}
	for round := range 5 {
		killAfter(t, dir, 40*(round+1), acknowledged)
	}
	require.NotEmpty(t, acknowledged)
	_, s := open(t, dir, StoreConfig[note]{})
	for key, n := range acknowledged {
		e, err := s.Get(t.Context(), key)
		if assert.NoError(t, err) {
			assert.Equal(t, n, e.Value.N, key)
		}
	}
}

// killAfter runs the child until it has acknowledged some lines, and kills it.
func killAfter(t *testing.T, dir string, lines int, acknowledged map[string]int) {
	t.Helper()
	child, stdout := startChild(t, crashFolder, dir)
	defer watch(t, child)()
	read := bufio.NewReader(stdout)
	for i := 0; ; i++ {
		if i == lines {
			require.NoError(t, child.Process.Kill())
		}
		line, err := read.ReadString('\n')
		if err == io.EOF {
			break // a line cut short by the kill is not counted
		}
		require.NoError(t, err)
		var key string
		var n int
		_, err = fmt.Sscan(line, &key, &n)
		require.NoError(t, err)
		acknowledged[key] = n
	}
	_ = child.Wait() // killed: that is the point
}

// startChild starts a process of its own that does what a variable asks for.
func startChild(t *testing.T, variable, dir string) (child *exec.Cmd, stdout io.Reader) {
	t.Helper()
	child = exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), variable+"="+dir)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	return child, stdout
}

// hangs is how long a child and what follows it may take: many times as long as they do.
const hangs = 2 * time.Minute

// watch prints the stacks of the child and of the test, and ends the child, unless the
// function that it returns is called in time.
func watch(t *testing.T, child *exec.Cmd) (ended func()) {
	timer := time.AfterFunc(hangs, func() {
		t.Errorf("child %d or its test hangs: not done after %v; their stacks are on stderr", child.Process.Pid, hangs)
		_ = child.Process.Signal(syscall.SIGQUIT) // it may have ended
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	})
	return func() { timer.Stop() }
}
