package clock

import "time"

var start = time.Now()

// sinceStart is the monotonic clock where there is none that all processes share.
func sinceStart() time.Duration { return time.Since(start) }
