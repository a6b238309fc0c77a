package hostile_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"thresher/plugins/hostile"
)

var jobs = flag.Int("jobs", 300, "how many jobs TestManyJobsAtOnce runs")

// Jobs run fifty at once, every fifth of them an attack: each ends as it should, and
// in the end the process holds what it held when a quarter as many had run before:
// what the ledger keeps at hand grows for the first two thousand.
func TestManyJobsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("long: make test-long runs it")
	}
	const atOnce = 50
	t.Cleanup(nothingIsLeft(t))
	w := newWorld(t, atOnce)
	var attacks []hostile.Attack
	for _, a := range hostile.Attacks() {
		if !a.Refused && a.Limits.CPUSeconds == 0 {
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
	run(max(5*len(attacks), *jobs/4)) // every module is loaded, every pool is filled
	before := held(t)
	for range 4 {
		run(*jobs / 4)
		t.Log(held(t))
	}
	held(t).mustBe(t, before)
}
