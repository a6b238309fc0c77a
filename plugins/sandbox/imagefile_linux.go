package sandbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile returns an empty file in memory.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("thresher-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "thresher-image"), nil
}

// seal makes sure that the file never changes again: a mapping of a file that is
// cut short kills the process that reads it.
func seal(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
	return err
}

// punch makes a hole in the file.
func punch(f *os.File, at, size int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, size)
}
