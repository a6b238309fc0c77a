package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// clockTick is what /proc counts CPU time in, on every Linux.
const clockTick = 10 * time.Millisecond

// cpuTime is the CPU time that this process has had, and the processes that it
// started, and those that they did.
func cpuTime() (ours, theirs time.Duration) {
	parent, took := map[int]int{}, map[int]time.Duration{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, name := range files {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		var pid, ppid, skip, user, system int
		var state string
		end := bytes.LastIndexByte(stat, ')') // the name before it may have any character
		_, _ = fmt.Sscan(string(stat), &pid)
		_, _ = fmt.Sscan(string(stat[end+1:]), &state, &ppid, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &user, &system)
		parent[pid], took[pid] = ppid, time.Duration(user+system)*clockTick
	}
	for pid, t := range took {
		for above := parent[pid]; above > 1; above = parent[above] {
			if above == os.Getpid() {
				theirs += t
				break
			}
		}
	}
	return took[os.Getpid()], theirs
}
