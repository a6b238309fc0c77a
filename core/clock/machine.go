package clock

import "time"

// settled is how long two looks at the monotonic clock may be apart for the look at
// the wall clock between them to belong to both.
const settled = time.Second

// Machine reads the clocks of this machine.
func Machine() Reading {
	for {
		before := sinceBoot()
		wall := time.Now()
		after := sinceBoot()
		if after-before <= settled { // else the process was stopped in between
			return Reading{Wall: wall, Mono: after, Boot: bootID()}
		}
	}
}

// Following is a Read for tests: both clocks follow one, so that it never jumps.
func Following(now func() time.Time) func() Reading {
	return func() Reading {
		wall := now()
		return Reading{Wall: wall, Mono: wall.Sub(time.Unix(0, 0)), Boot: "following"}
	}
}
