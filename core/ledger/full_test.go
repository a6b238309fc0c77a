package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/ledger/disktest"
)

// A disk without any room: writes are refused or wait and say so, reads go on, and
// once there is room again writes do too, without a new start. What was acknowledged
// is there.
func TestAFullDiskHoldsWritesUpUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	disk := disktest.Small(t, 64)
	l, err := Open(t.Context(), Config{Dir: filepath.Join(disk, "data"), Reserve: 1, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	s, err := OpenStore(t.Context(), l, "notes", StoreConfig[note]{UsesReserve: true})
	require.NoError(t, err)
	text := strings.Repeat("x", 100_000)
	kept := 0
	put := func() error {
		_, err := s.Modify(t.Context(), fmt.Sprint("k", kept), func(*note) (*note, error) { return &note{text, kept}, nil })
		if err == nil {
			kept++
		}
		return err
	}
	for range 5 {
		require.NoError(t, put())
	}
	empty := disktest.Fill(t, disk)
	for err = nil; err == nil; { // what was allocated before is used up
		err = put()
	}
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorIs(t, l.Able(), ErrDiskFull)
	if !errors.Is(err, ErrUnclear) {
		assert.ErrorIs(t, put(), ErrDiskFull, "at once")
	}
	e, found := s.Get(t.Context(), "k0")
	require.NoError(t, found)
	assert.Equal(t, text, e.Value.Text)

	empty()
	for deadline := time.Now().Add(waits); l.Able() != nil; runtime.Gosched() { // so as to look at once
		require.True(t, time.Now().Before(deadline))
	}
	if errors.Is(err, ErrUnclear) {
		_, err := s.Get(t.Context(), fmt.Sprint("k", kept))
		require.NoError(t, err, "what was on its way is seen now")
	}
	require.NoError(t, put())
	for n := range kept {
		e, err := s.Get(t.Context(), fmt.Sprint("k", n))
		require.NoError(t, err)
		assert.Equal(t, n, e.Value.N)
	}
}

// A write of which its writer was told that it is not known whether it is kept: until it
// is decided no other is taken, although the disk works again, and then it is seen.
func TestNothingIsWrittenBeforeAnUnclearWriteIsDecided(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]bool{"kept": true, "not_kept": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var slow atomic.Bool
			taken, decide := make(chan struct{}), make(chan struct{})
			send := func(next uint64, send func() (uint64, error)) (uint64, error) {
				if slow.Load() {
					close(taken)
					<-decide
					if !kept {
						return next, errors.New("it was not written")
					}
				}
				return send()
			}
			l, err := Open(t.Context(), Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Faults: Faults{Send: send}})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
			s, err := OpenStore(t.Context(), l, "notes", byText)
			require.NoError(t, err)
			slow.Store(true)
			full := fmt.Errorf("%w: no room", ErrDiskFull)
			put := func(key string) chan error {
				done := make(chan error, 1)
				go func() {
					_, err := s.Create(context.Background(), key, note{Text: key})
					done <- err
				}()
				return done
			}
			first := put("first")
			<-taken
			l.disk.trouble.Store(&full)
			require.ErrorIs(t, <-first, ErrUnclear)
			l.disk.trouble.Store(nil)
			require.ErrorIs(t, l.Able(), ErrDiskFull)
			require.ErrorIs(t, <-put("second"), ErrDiskFull)
			slow.Store(false)
			close(decide)
			for deadline := time.Now().Add(waits); l.Able() != nil; runtime.Gosched() { // so as to look at once
				require.True(t, time.Now().Before(deadline))
			}
			_, err = s.Get(t.Context(), "first")
			assert.Equal(t, kept, err == nil, "%v", err)
			require.NoError(t, <-put("second"))
		})
	}
}

// fullFolder names the folder of a child process that closes its ledger on a full disk.
const fullFolder = "THRESHER_TEST_FULL_FOLDER"

// closeWhileFull creates a record and says so; told that the disk is full, it writes
// until that is refused, and closes the ledger. The store below stays open: it ends with
// the process.
func closeWhileFull(dir string) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	l, err := Open(ctx, Config{Dir: dir, Reserve: 1, Log: slog.New(slog.DiscardHandler)})
	must(err)
	s, err := OpenStore(ctx, l, "notes", StoreConfig[note]{UsesReserve: true})
	must(err)
	_, err = s.Create(ctx, "a", note{Text: "kept"})
	must(err)
	fmt.Println("created")
	_, err = fmt.Scanln()
	if err != nil && err.Error() != "unexpected newline" {
		panic(err)
	}
	for n, err := 0, error(nil); err == nil; n++ {
		_, err = s.Modify(ctx, fmt.Sprint("k", n), func(*note) (*note, error) { return &note{strings.Repeat("x", 100_000), n}, nil })
	}
	must(l.Close(ctx))
}

// A ledger can be closed while its disk is full, and opened once there is room.
func TestALedgerClosesOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := disktest.Small(t, 64)
	dir := filepath.Join(disk, "data")
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), fullFolder+"="+dir)
	child.Stderr = os.Stderr
	full, err := child.StdinPipe()
	require.NoError(t, err)
	says, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer watch(t, child)()
	require.True(t, bufio.NewScanner(says).Scan())
	empty := disktest.Fill(t, disk)
	_, err = fmt.Fprintln(full)
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	empty()
	_, s := open(t, dir, byText)
	e, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "kept", e.Value.Text)
}

// manifestOn is a file system whose store cannot write its list of files while full.
func manifestOn(full *atomic.Bool) vfs.FS {
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST") && full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}))
}

// Whoever was reading while the disk got full ends, and is not held up with the writes.
func TestReadersEndWhileTheStoreWaitsForRoom(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	l, err := Open(t.Context(), Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), fs: manifestOn(&full)})
	require.NoError(t, err)
	s, err := OpenStore(t.Context(), l, "notes", byText)
	require.NoError(t, err)
	fill(t, s, 0, 10, damageNote)
	at, err := l.Snapshot()
	require.NoError(t, err)
	fill(t, s, 10, 1, damageNote) // from now on at is an old one
	full.Store(true)
	flushed, err := l.db.AsyncFlush()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return errors.Is(l.Able(), ErrDiskFull) }, waits, tick)

	read := make(chan error)
	go func() {
		err := s.Each(context.Background(), at, func(Found[note]) error { return nil })
		at.Close()
		read <- err
	}()
	select {
	case err := <-read:
		assert.NoError(t, err)
	case <-time.After(waits):
		t.Error("the reader still waits")
	}
	e, err := s.Get(t.Context(), "k000010")
	require.NoError(t, err)
	assert.Equal(t, "k000010", e.Key)
	full.Store(false)
	<-flushed
	require.NoError(t, l.Able())
	require.NoError(t, l.Close(t.Context()))
}
