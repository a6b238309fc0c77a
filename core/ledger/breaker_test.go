package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/ledger/disktest"
)

// Whatever is asked of a ledger while it is closed, and afterwards, is refused.
func TestAClosedLedgerRefusesWhateverIsAsked(t *testing.T) {
	t.Parallel()
	for range 20 {
		l, err := Open(t.Context(), Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		s, err := OpenStore(t.Context(), l, "notes", byText)
		require.NoError(t, err)
		fill(t, s, 0, 200, damageNote)
		at, err := l.Snapshot()
		require.NoError(t, err)
		ctx := context.Background()
		asks := map[string]func() error{
			"get":      func() error { _, err := s.Get(ctx, "k000001"); return err },
			"find":     func() error { _, err := s.Find(ctx, Query{Terms: []string{"even=true"}}); return err },
			"count":    func() error { _, err := s.CountQuery(ctx, Query{Low: "k000002", High: "k000007"}); return err },
			"snapshot": func() error { _, err := s.Snapshot(ctx); return err },
			"verify":   func() error { return s.Verify(ctx, "k000001") },
			"modify": func() error {
				_, err := s.Modify(ctx, "k000001", func(*note) (*note, error) { return &note{}, nil })
				return err
			},
			"open": func() error { _, err := OpenStore(ctx, l, "others", byText); return err },
		}
		closed := make(chan struct{})
		var all sync.WaitGroup
		for name, ask := range asks {
			all.Go(func() {
				for over := false; !over; {
					select {
					case <-closed: // and once more
						over = true
					default:
					}
					if err := ask(); !errors.Is(err, ErrClosed) && !errors.Is(err, errOpen) {
						assert.NoError(t, err, name)
					}
				}
			})
		}
		all.Go(func() {
			defer at.Close()
			assert.NoError(t, s.Each(ctx, at, func(Found[note]) error { return nil }))
		})
		assert.NoError(t, l.Close(ctx))
		close(closed)
		all.Wait()
	}
}

func TestAKindThatIsOpenStaysAsItIs(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	fill(t, s, 0, blockSize+1, damageNote)
	require.Eventually(t, func() bool {
		sealed := false
		l.view.Must(func(v *view) { sealed = len(v.kinds["notes"].seals) > 0 })
		return sealed
	}, waits, tick)
	other := byText
	other.Version = 7
	_, err := OpenStore(t.Context(), l, "notes", other)
	require.ErrorIs(t, err, errOpen)
	fill(t, s, blockSize+1, 2, damageNote)
	n, err := s.Count(t.Context(), "even=true")
	require.NoError(t, err)
	assert.Equal(t, blockSize/2+2, n)
}

func TestATransactionThatChangesWhatItAddsEnds(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	_, err := s.Create(t.Context(), "a", note{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = l.Atomically(ctx, func(tx *Tx) error {
		if err := s.Add(tx, "a", note{N: 1}); err != nil {
			return err
		}
		return s.ModifyIn(tx, "a", func(n *note) (*note, error) { return &note{N: n.N + 1}, nil })
	})
	require.ErrorIs(t, err, ErrExists)
}

func TestARecordThatWasReadStaysInTheCache(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	fill(t, s, 0, 10, damageNote)
	cached := func() (is bool) {
		l.view.Must(func(v *view) { is = v.kinds["notes"].get("k000003") != nil })
		return is
	}
	for range 3 {
		_, err := s.Modify(t.Context(), "k000003", func(n *note) (*note, error) { return &note{n.Text, n.N + 2}, nil })
		require.NoError(t, err)
		assert.True(t, cached())
		_, err = s.Get(t.Context(), "k000003")
		require.NoError(t, err)
		assert.True(t, cached())
	}
}

// A first start on a full disk leaves nothing that stops the next one.
func TestAFirstStartOnAFullDiskIsRepeated(t *testing.T) {
	t.Parallel()
	disk := disktest.Small(t, 64)
	dir := filepath.Join(disk, "data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	empty := disktest.Fill(t, disk)
	_, err := Open(t.Context(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	require.ErrorIs(t, err, ErrDiskFull)
	empty()
	l, err := Open(t.Context(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
}

// closedStore makes a store of ten records and closes it.
func closedStore(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l, s := open(t, dir, byText)
	fill(t, s, 0, 10, damageNote)
	require.NoError(t, l.Close(t.Context()))
	return dir
}

// requireAllThere opens it again and counts its records.
func requireAllThere(t *testing.T, dir string) {
	t.Helper()
	_, s := open(t, dir, byText)
	n, err := s.Count(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, 10, n)
}

// The log has lost a page of what was not synced, and not the mark of its end behind it.
func TestAPowerCutWhileALogIsClosedIsNoDamage(t *testing.T) {
	t.Parallel()
	dir := closedStore(t)
	logs, err := filepath.Glob(filepath.Join(dir, storeFolder, "*.log"))
	require.NoError(t, err)
	for _, path := range logs {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var number uint32
		_, err = fmt.Sscanf(filepath.Base(path), "%d.log", &number)
		require.NoError(t, err)
		c := logCheck{data: data, number: number, numbered: true}
		end, _ := c.end()
		// what was not synced: a page of zeros, and the trailer behind.
		torn := append(append([]byte{}, data[:end]...), make([]byte, 4096)...)
		torn = append(torn, 0, 0, 0, 0, 0, 0, 5)
		torn = binary.LittleEndian.AppendUint32(torn, number+1)
		require.NoError(t, os.WriteFile(path, torn, 0o600))
	}
	requireAllThere(t, dir)
}

// A manifest that was being made when the power was cut is not the store's yet.
func TestAPowerCutWhileAManifestIsMadeIsNoDamage(t *testing.T) {
	t.Parallel()
	dir := closedStore(t)
	made, err := filepath.Glob(filepath.Join(dir, storeFolder, "MANIFEST-*"))
	require.NoError(t, err)
	data, err := os.ReadFile(made[len(made)-1])
	require.NoError(t, err)
	torn := append(make([]byte, 4096), data...) // its first page is lost
	require.NoError(t, os.WriteFile(filepath.Join(dir, storeFolder, "MANIFEST-000999"), torn, 0o600))
	requireAllThere(t, dir)
}

// The writer is told that nobody knows, and lets go of the blob; the write gets onto
// disk after all.
func TestABlobIsKeptWhileItIsUnclearWhetherItsRecordIs(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"written": nil, "not_written": errors.New("planted")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stall, goOn := make(chan struct{}), make(chan struct{})
			l, err := Open(t.Context(), Config{Dir: t.TempDir(), Faults: Faults{Send: func(_ uint64, send func() (uint64, error)) (uint64, error) {
				close(stall)
				<-goOn
				if fails != nil {
					return 0, fails
				}
				return send()
			}}})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, l.Close(context.Background())) })
			s, err := OpenStore(t.Context(), l, "notes", StoreConfig[note]{Blobs: func(n note) []string { return []string{n.Text} }})
			require.NoError(t, err)
			require.NoError(t, l.Blobs().Sweep(t.Context()))
			blob, err := l.Blobs().Put(t.Context(), strings.NewReader("content"), 100)
			require.NoError(t, err)
			full := fmt.Errorf("%w: planted", ErrDiskFull)
			go func() { <-stall; l.disk.trouble.Store(&full) }()
			_, err = s.Create(t.Context(), "a", note{Text: blob.Digest})
			require.ErrorIs(t, err, ErrUnclear)
			l.Blobs().Release(blob.Digest)
			l.blobs.references.pending.Wait()
			assert.True(t, l.Blobs().Has(blob.Digest))

			l.disk.trouble.Store(nil)
			close(goOn)
			if fails != nil { // and then nobody needs it
				require.Eventually(t, func() bool { return !l.Blobs().Has(blob.Digest) }, waits, tick)
				return
			}
			require.Eventually(t, func() bool { _, err := s.Get(t.Context(), "a"); return err == nil }, waits, tick)
			l.blobs.references.pending.Wait()
			require.NoError(t, l.Blobs().Check(t.Context(), blob))
		})
	}
}

// Of several writes that wait for room one goes on earlier: the others still wait, and
// the ledger says so.
func TestADiskIsFullAsLongAsAnyWriteWaits(t *testing.T) {
	t.Parallel()
	d := newDisk(nil, slog.New(slog.DiscardHandler))
	var writes sync.WaitGroup
	room := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var tries [2]atomic.Int32
	for i := range room {
		writes.Go(func() {
			assert.NoError(t, d.insist(func() error {
				tries[i].Add(1)
				select {
				case <-room[i]:
					return nil
				default:
					return syscall.ENOSPC
				}
			}))
		})
		require.Eventually(t, func() bool { return tries[i].Load() > 1 }, waits, tick)
	}
	close(room[0])
	before := tries[1].Load()
	require.Eventually(t, func() bool { return tries[1].Load() > before+1 && d.able() != nil }, waits, tick)
	close(room[1])
	writes.Wait()
	assert.NoError(t, d.able())
}

// Whoever reads a snapshot slowly, as a client that takes a backup does, does not keep
// the ledger from closing, and is not cut off by a panic.
func TestALedgerClosesWhileASnapshotIsRead(t *testing.T) {
	t.Parallel()
	l, s := open(t, t.TempDir(), byText)
	fill(t, s, 0, 10, damageNote)
	at, err := l.Snapshot()
	require.NoError(t, err)
	n := 0
	require.NoError(t, s.Each(t.Context(), at, func(Found[note]) error {
		if n++; n == 5 {
			require.NoError(t, l.Close(t.Context()))
		}
		return nil
	}))
	assert.Equal(t, 10, n)
	at.Close()
	l.reading.Wait()
	require.NoError(t, l.db.Close()) // else its goroutines stay
}
