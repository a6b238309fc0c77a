package core

import (
	"os"
	"regexp"
	"strconv"
)

var memTotal = regexp.MustCompile(`MemTotal:\s+(\d+) kB`)

// machineMemory is the machine's memory in bytes, or 8 GiB where it cannot be told.
func machineMemory() int64 {
	const unknown = 8 << 30
	info, err := os.ReadFile("/proc/meminfo") // there is none but on Linux
	if err != nil {
		return unknown
	}
	found := memTotal.FindSubmatch(info)
	if found == nil {
		return unknown
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return unknown
	}
	return kilobytes << 10
}
