// Package disktest offers tests a disk that loses its power: what was not synced is
// gone, and what was synced is kept. It is an ext4 file system in a file. The package also
// offers a disk that gets full. Both need root on Linux; elsewhere they skip the test.
package disktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Disk is a file system that can lose its power: what was not synced is gone.
type Disk struct {
	t     *testing.T
	image string
	Dir   string // where it is mounted
}

// New makes an ext4 file system in a file. It takes root, and skips the test without.
func New(t *testing.T) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a disk that loses its power takes root. CI runs as root.")
	}
	d := &Disk{t: t, image: filepath.Join(t.TempDir(), "disk"), Dir: t.TempDir()}
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, 512<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot make an ext4 file system here: %v: %s", err, out)
	}
	if out, err := d.mount(); err != nil {
		t.Skipf("SKIPPED: cannot mount an ext4 file system here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.Dir).Run() })
	return d
}

func (d *Disk) mount() ([]byte, error) {
	return exec.Command("mount", "-o", "loop", d.image, d.Dir).CombinedOutput()
}

// Cut takes the power away: from now on nothing is written, and what was written
// but not synced is lost. It is what ext4 offers for such tests: a forced shutdown
// that does not even write the journal out.
func (d *Disk) Cut() {
	const (
		extShutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
		noLogFlush  = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	dir, err := os.Open(d.Dir)
	require.NoError(d.t, err)
	defer dir.Close()
	how := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), extShutdown, uintptr(unsafe.Pointer(&how)))
	require.Zero(d.t, errno)
}

// Restore gives the power back. Where a process in another mount namespace still has
// the disk, a mount gets it as it was cut: then it is done again.
func (d *Disk) Restore() {
	require.EventuallyWithT(d.t, func(c *assert.CollectT) {
		_ = exec.Command("umount", d.Dir).Run() // it may not be mounted
		out, err := d.mount()
		require.NoError(c, err, "%s", out)
		probe := filepath.Join(d.Dir, "probe")
		require.NoError(c, os.WriteFile(probe, nil, 0o600))
		require.NoError(c, os.Remove(probe))
	}, time.Minute, 100*time.Millisecond)
}

// Small makes a file system of some MiB.
func Small(t *testing.T, mib int) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a small disk takes root. CI runs as root.")
	}
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mib), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot mount a tmpfs here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// Fill writes a file until nothing more goes onto a disk, and returns what removes it.
func Fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	require.NoError(t, err)
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	return func() { require.NoError(t, os.Remove(f.Name())) }
}

// Leave fills a disk but for some bytes, and returns what empties it again. Others may
// write to it meanwhile.
func Leave(t *testing.T, dir string, free int64) (empty func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	require.NoError(t, err)
	defer f.Close()
	allocate := func() error {
		var fs syscall.Statfs_t
		require.NoError(t, syscall.Statfs(dir, &fs))
		return syscall.Fallocate(int(f.Fd()), 0, 0, max(int64(fs.Bavail)*fs.Bsize-free, 1))
	}
	for err = allocate(); errors.Is(err, syscall.ENOSPC); err = allocate() {
	}
	require.NoError(t, err)
	return func() { require.NoError(t, os.Remove(f.Name())) }
}
