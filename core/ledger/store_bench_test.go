package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkWrites measures a durable write: alone, and where many write at once, so
// that one sync serves several.
func BenchmarkWrites(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			_, s := open(b, b.TempDir(), StoreConfig[note]{})
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(writers) // times GOMAXPROCS, which is what there is to set
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Create(b.Context(), fmt.Sprint(n.Add(1)), note{Text: "x"}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// likeJobs indexes a note as a job is: by some terms of many records and some of one.
var likeJobs = StoreConfig[note]{
	Index: func(key string, n note) []string {
		return []string{
			"phase=" + n.Text[:4], fmt.Sprint("plugin=", n.N%7), fmt.Sprint("tenant=", n.N%5), fmt.Sprint("owner=", n.N%40),
			"a=" + key, "b=" + key, "c=" + key,
		}
	},
	Live: func(n note) bool { return strings.HasPrefix(n.Text, "live") },
}

// scatter writes blocks in which so many records, spread evenly, stay live.
func scatter(t testing.TB, l *Ledger, s *Store[note], blocks int, live func(block int) int) {
	t.Helper()
	text := strings.Repeat("x", 200)
	for from := 0; from < blocks*blockSize; from += MaxWrites {
		require.NoError(t, l.Atomically(t.Context(), func(tx *Tx) error {
			for i := from; i < min(from+MaxWrites, blocks*blockSize); i++ {
				phase, every := "done", blockSize/live(i/blockSize)
				if i%every == 0 {
					phase = "live"
				}
				if err := s.Add(tx, fmt.Sprintf("k%07d", i), note{phase + text, i}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// BenchmarkOpenOverScatteredLiveRecords opens a store of 150 blocks in each of which 65
// to 200 records are live.
func BenchmarkOpenOverScatteredLiveRecords(b *testing.B) {
	const blocks = 150
	cfg := Config{Dir: b.TempDir(), Sync: SyncInterval, Log: slog.New(slog.DiscardHandler)}
	l, err := Open(b.Context(), cfg)
	require.NoError(b, err)
	s, err := OpenStore(b.Context(), l, "notes", likeJobs)
	require.NoError(b, err)
	scatter(b, l, s, blocks, func(block int) int { return 65 + block*135/blocks })
	b.Logf("%d blocks are sealed", sealed(b, l, "notes"))
	require.NoError(b, l.Close(context.Background()))
	for b.Loop() {
		var before, after runtime.MemStats
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		l, err := Open(b.Context(), cfg)
		require.NoError(b, err)
		_, err = OpenStore(b.Context(), l, "notes", likeJobs)
		require.NoError(b, err)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		require.NoError(b, l.Close(context.Background()))
		b.StartTimer()
	}
}

// BenchmarkChangesOfLiveRecords changes live records of blocks whose index is in memory,
// and of blocks that are sealed.
func BenchmarkChangesOfLiveRecords(b *testing.B) {
	for name, hot := range map[string]int{"in_memory": 0, "sealed": 1} {
		b.Run(name, func(b *testing.B) {
			const blocks = 10
			l, err := Open(b.Context(), Config{Dir: b.TempDir(), HotBlocks: hot, Log: slog.New(slog.DiscardHandler)})
			require.NoError(b, err)
			defer func() { require.NoError(b, l.Close(context.Background())) }()
			s, err := OpenStore(b.Context(), l, "notes", likeJobs)
			require.NoError(b, err)
			scatter(b, l, s, blocks, func(int) int { return blockSize })
			b.Logf("%d blocks are sealed", sealed(b, l, "notes"))
			var n atomic.Int64
			b.SetParallelism(16)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					key := fmt.Sprintf("k%07d", n.Add(1)%(8*blockSize))
					_, err := s.Modify(b.Context(), key, func(n *note) (*note, error) {
						return &note{"live" + n.Text[4:], n.N + 1}, nil
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
