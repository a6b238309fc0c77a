package hostile_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"thresher/core/guard"
	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
)

var mutants = flag.Int("mutants", 0, "how many damaged modules are loaded (default 20000, or 1000 with -short)")

// Damaged modules are loaded or refused by name, as many as one likes: none takes the
// process along, and none leaves anything behind.
func TestDamagedModulesAreLoadedOrRefusedByName(t *testing.T) {
	seeds := seeds(4 << 10)
	mutants := cmp.Or(*mutants, 20_000)
	if testing.Short() {
		mutants = min(mutants, 1_000)
	}
	load := func(worker, n int) (codes map[string]int, err error) {
		random := rand.New(rand.NewPCG(uint64(worker), 5))
		nursery := &nursery{}
		defer func() { err = errors.Join(err, nursery.close()) }()
		codes = map[string]int{}
		for range n {
			code, err := nursery.load(t.Context(), mutate(random, seeds))
			if err != nil {
				return codes, err
			}
			codes[code]++
		}
		return codes, nil
	}
	all := func(n int) map[string]int {
		total := guard.New("codes", guard.RankSandbox, map[string]int{})
		workers := runtime.GOMAXPROCS(0)
		var group errgroup.Group
		for w := range workers {
			group.Go(func() error {
				codes, err := load(w+n, n/workers)
				total.Must(func(sum *map[string]int) {
					for code, n := range codes {
						(*sum)[code] += n
					}
				})
				return err
			})
		}
		require.NoError(t, group.Wait())
		var sum map[string]int
		total.Must(func(s *map[string]int) { sum = maps.Clone(*s) })
		return sum
	}
	all(mutants / 10)
	before := held(t)
	codes := all(mutants)
	held(t).mustBe(t, before)
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		t.Log(code, codes[code])
	}
	require.Greater(t, codes["loaded"], mutants/200, "some damage does no harm")
	require.Greater(t, len(codes), 20, "damage is of many kinds")
}

// nursery loads modules in a host that is made anew now and then, since a host keeps
// what it has loaded.
type nursery struct {
	host   *sandbox.Host
	loaded int
}

const nurserySize = 200

func (n *nursery) load(ctx context.Context, wasm []byte) (code string, err error) {
	if n.loaded >= nurserySize {
		if err := n.close(); err != nil {
			return "", err
		}
	}
	if n.host == nil {
		n.host, err = sandbox.New(ctx, sandbox.Config{Log: slog.New(slog.DiscardHandler), DescribeTime: 10 * time.Millisecond, Clones: -1})
		if err != nil {
			return "", err
		}
	}
	_, err = n.host.Load(ctx, wasm, false)
	var refused *sandbox.Refusal
	switch {
	case err == nil:
		n.loaded++
		return "loaded", nil
	case errors.As(err, &refused) && refused.Code != "":
		return refused.Code, nil
	}
	return "", fmt.Errorf("neither loaded nor refused: %w: %x", err, wasm)
}

func (n *nursery) close() error {
	if n.host == nil {
		return nil
	}
	host := n.host
	n.host, n.loaded = nil, 0
	return host.Close(context.Background())
}

// seeds are the attacks that are small enough to be damaged many times.
func seeds(most int) (all [][]byte) {
	for _, a := range hostile.Attacks() {
		if len(a.Wasm) < most {
			all = append(all, a.Wasm)
		}
	}
	return all
}

// telling are bytes that mean something: ends of ranges, instructions, types.
var telling = []byte{0, 1, 0x7f, 0x80, 0xff, 0x40, 0x41, 0x0b, 0x02, 0x03, 0x04, 0x05, 0x0c, 0x0e, 0x10, 0x11, 0x20, 0x21, 0xd0, 0xd2, 0xfc, 0xfd, 0x70, 0x7e}

// mutate damages one of the seeds in a few places.
func mutate(random *rand.Rand, seeds [][]byte) []byte {
	wasm := slices.Clone(seeds[random.IntN(len(seeds))])
	for range 1 + random.IntN(4) {
		if len(wasm) < 9 {
			return wasm
		}
		at := 8 + random.IntN(len(wasm)-8) // the header stands: else nothing is read
		end := min(len(wasm), at+1+random.IntN(16))
		switch random.IntN(8) {
		case 0, 1:
			wasm[at] ^= 1 << random.IntN(8)
		case 2, 3:
			wasm[at] = telling[random.IntN(len(telling))]
		case 4:
			wasm = slices.Insert(wasm, at, telling[random.IntN(len(telling))])
		case 5:
			wasm = slices.Delete(wasm, at, end)
		case 6:
			wasm = slices.Insert(wasm, at, slices.Clone(wasm[at:end])...)
		case 7:
			other := seeds[random.IntN(len(seeds))]
			from := random.IntN(len(other) + 1)
			wasm = slices.Concat(wasm[:at], other[from:min(len(other), from+end-at)], wasm[end:])
		}
	}
	return wasm
}
