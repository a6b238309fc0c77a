package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// However many records stay live, and wherever they are, the index of no more than
// some blocks is in memory: while they are written, after, and after a start.
func TestTheIndexInMemoryIsBoundedWhateverIsLive(t *testing.T) {
	t.Parallel()
	const (
		blocks  = 14
		hot     = 2
		most    = hot + 1 // and the block that is being filled
		backlog = 1 + sealDoublings
	)
	for _, live := range []int{maxLiveSealed + 1, 200, blockSize} {
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
			peak := 0
			scatter(t, l, s, blocks, func(int) int {
				peak = max(peak, len(heldOf(t, l, "notes").blocks))
				return live
			})
			assert.LessOrEqual(t, peak, most+backlog, "while records are written")
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
