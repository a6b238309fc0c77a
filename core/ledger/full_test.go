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
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smallDisk mounts a file system of some MiB, which takes root.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a small disk takes root. CI runs as root.")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mib), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot mount a tmpfs here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fillUp writes a file until nothing more goes onto the disk.
func fillUp(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	require.True(t, isFull(err), "%v", err)
	return path
}

// A disk without any room: writes are refused or wait and say so, reads go on, and
// once there is room again writes do too, without a new start. What was acknowledged
// is there.
func TestAFullDiskHoldsWritesUpUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 64)
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
	ballast := fillUp(t, disk)
	for err = nil; err == nil; { // what was allocated before is used up
		err = put()
	}
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorIs(t, l.Able(), ErrDiskFull)
	if !errors.Is(err, ErrUnclear) {
		assert.ErrorIs(t, put(), ErrDiskFull, "at once")
	}
	e, err := s.Get(t.Context(), "k0")
	require.NoError(t, err)
	assert.Equal(t, text, e.Value.Text)

	require.NoError(t, os.Remove(ballast))
	require.Eventually(t, func() bool { return l.Able() == nil }, waits, tick)
	require.NoError(t, put())
	for n := range kept {
		e, err := s.Get(t.Context(), fmt.Sprint("k", n))
		require.NoError(t, err)
		assert.Equal(t, n, e.Value.N)
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
	disk := smallDisk(t, 64)
	dir := filepath.Join(disk, "data")
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), fullFolder+"="+dir)
	child.Stderr = os.Stderr
	full, err := child.StdinPipe()
	require.NoError(t, err)
	says, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	require.True(t, bufio.NewScanner(says).Scan())
	ballast := fillUp(t, disk)
	_, err = fmt.Fprintln(full)
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	require.NoError(t, os.Remove(ballast))
	_, s := open(t, dir, byText)
	e, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "kept", e.Value.Text)
}
