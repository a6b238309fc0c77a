package hostile_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"thresher/plugins/hostile"
)

// manyJobs is how many jobs TestManyJobsAtOnce runs: THRESHER_MANY_JOBS, by default few.
func manyJobs(t *testing.T) int {
	text := os.Getenv("THRESHER_MANY_JOBS")
	if text == "" {
		return 300
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// Jobs run fifty at once, every fifth of them an attack: each ends as it should, and
// in the end the process holds what it held when a quarter as many had run before:
// what the ledger keeps at hand grows for the first two thousand.
func TestManyJobsAtOnce(t *testing.T) {
	const atOnce = 50
	w := newWorld(t, atOnce)
	var attacks []hostile.Attack
	for _, a := range hostile.Attacks() {
		if !a.Refused && a.Limits.CPUSeconds == 0 && a.Code != "stack_limit" { // a stack is 80 MiB: fifty are a machine's
			attacks = append(attacks, a)
		}
	}
	ctx := t.Context()
	run := func(jobs int) {
		var all errgroup.Group
		all.SetLimit(atOnce)
		for i := range jobs {
			all.Go(func() error {
				if i%5 != 0 {
					return w.honestJob(ctx, uint64(i))
				}
				a := attacks[i/5%len(attacks)]
				code, err := w.attack(ctx, a)
				if err != nil || code != a.Code {
					return fmt.Errorf("%s ended with %s, %w", a.Name, code, err)
				}
				return nil
			})
		}
		require.NoError(t, all.Wait())
	}
	run(max(5*len(attacks), manyJobs(t)/4)) // every module is loaded, every pool is filled
	before := held(t)
	for range 4 {
		run(manyJobs(t) / 4)
		t.Logf("%+v", held(t))
	}
	held(t).mustBe(t, before)
}
