//go:build !amd64 && !arm64

package guard

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
)

// goroutineID reads the id from the header of the goroutine's own stack trace,
// "goroutine 12 [running]:", the only place where Go shows it. That takes long: Go
// prints the whole trace.
func goroutineID() uint64 {
	var buf [64]byte
	header := buf[:runtime.Stack(buf[:], false)]
	fields := bytes.Fields(header)
	id, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("goroutine header %q: %v", header, err))
	}
	return id
}
