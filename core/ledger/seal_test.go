package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// held is what a store holds in memory, counted.
type held struct {
	blocks []uint32 // whose index is there
	terms  int      // of them
	live   int
}

func heldOf(t testing.TB, l *Ledger, kind string) (h held) {
	t.Helper()
	l.view.Must(func(v *view) {
		k := v.kinds[kind]
		for number, b := range k.hot {
			h.blocks = append(h.blocks, number)
			h.terms += len(b.terms)
		}
		h.live = len(k.live)
	})
	return h
}

// The number of blocks whose index is in memory is bounded, however many records stay
// live and wherever they are: after they were written, and after a start.
func TestTheIndexInMemoryIsBoundedWhateverIsLive(t *testing.T) {
	t.Parallel()
	const (
		hot  = 1
		most = hot + 1 // and the block that is being filled
	)
	blocks := 9
	if testing.Short() {
		blocks = 2 * most // records are made one by one
	}
	for _, live := range []int{maxLiveSealed + 1, 500} {
		t.Run(fmt.Sprint(live), func(t *testing.T) {
			t.Parallel()
			cfg := Config{Dir: t.TempDir(), Sync: SyncInterval, HotBlocks: hot, Log: slog.New(slog.DiscardHandler)}
			start := func() (*Ledger, *Store[note]) {
				l, err := Open(t.Context(), cfg)
				require.NoError(t, err)
				t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
				s, err := OpenStore(t.Context(), l, "notes", likeJobs)
				require.NoError(t, err)
				return l, s
			}
			l, s := start()
			scatter(t, l, s, blocks, func(int) int { return live })
			all, err := s.Count(t.Context(), "phase=live")
			require.NoError(t, err)
			check := func(l *Ledger, s *Store[note], live int) {
				t.Helper()
				sealed(t, l, "notes")
				h := heldOf(t, l, "notes")
				assert.LessOrEqual(t, len(h.blocks), most)
				for _, number := range h.blocks {
					assert.GreaterOrEqual(t, number, uint32(blocks-most))
				}
				assert.LessOrEqual(t, h.terms, most*4*blockSize)
				assert.Equal(t, live, h.live)
				n, err := s.Counts(t.Context(), "phase=live", "phase=done", "")
				require.NoError(t, err)
				assert.Equal(t, []int{live, blocks*blockSize - live, blocks * blockSize}, n)
			}
			check(l, s, all)
			require.NoError(t, l.Close(t.Context()))
			l, s = start()
			check(l, s, all)
			end(t, l, s, all)
			check(l, s, 0)
			require.NoError(t, l.Close(t.Context()))
			l, s = start()
			check(l, s, 0)
		})
	}
}

// end makes all live notes done.
func end(t testing.TB, l *Ledger, s *Store[note], live int) {
	t.Helper()
	for live > 0 {
		page, _, err := s.List(t.Context(), Query{Terms: []string{"phase=live"}, Limit: MaxWrites})
		require.NoError(t, err)
		require.NotEmpty(t, page)
		require.NoError(t, l.Atomically(t.Context(), func(tx *Tx) error {
			for _, e := range page {
				err := s.ModifyIn(tx, e.Key, func(n *note) (*note, error) { return &note{"done" + n.Text[4:], n.N}, nil })
				if err != nil {
					return err
				}
			}
			return nil
		}))
		live -= len(page)
	}
}

// Writers that leave the committer no pause do not outrun the sealing.
func TestSealingKeepsUpWithWriters(t *testing.T) {
	t.Parallel()
	const blocks, writers = 16, 8
	l, err := Open(t.Context(), Config{Dir: t.TempDir(), Sync: SyncInterval, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
	s, err := OpenStore(t.Context(), l, "notes", StoreConfig[note]{
		Index: func(key string, _ note) []string { return []string{"key=" + key} },
	})
	require.NoError(t, err)
	var all errgroup.Group
	peaks := make([]int, writers)
	for w := range writers {
		all.Go(func() error {
			for from := w; from < blocks*blockSize; from += writers * MaxWrites {
				err := l.Atomically(t.Context(), func(tx *Tx) error {
					for i := from; i < min(from+writers*MaxWrites, blocks*blockSize); i += writers {
						if err := s.Add(tx, fmt.Sprintf("k%07d", i), note{N: i}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
				peaks[w] = max(peaks[w], len(heldOf(t, l, "notes").blocks))
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
	t.Logf("the index of up to %d blocks was in memory", slices.Max(peaks))
	assert.LessOrEqual(t, slices.Max(peaks), 10)
	assert.Equal(t, blocks, sealed(t, l, "notes"))
}
