package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/minio/highwayhash"
	"golang.org/x/sync/errgroup"
)

// A power cut may leave the last write to a stream, which nobody was told of, on disk
// in part: cut short, or with zeros for sectors that were not written. JetStream
// (nats-server 2.15.2, recoverFullState and rebuildStateFromBufLocked) does not cope:
//
//   - It believes an index that it wrote when the stream was empty if the block ends
//     in zeros, since zeros stand in such an index for the checksum of the last record.
//     It then takes the stream for empty.
//   - Where it does not believe the index, it cuts a block off at the first record
//     that is bad, whatever comes after, and says nothing.
//
// So blocks are read before it starts. What can be the rest of a last write is cut
// off; with anything else that is wrong a start is refused. What comes after the
// beginning of another write is not the rest of the last: that one was on disk, and
// acknowledged, before the other began.

// checkBlocks reads the blocks of all streams. It mends what a power cut leaves, and
// returns an error that wraps ErrCorrupt for any other damage. JetStream must not run.
func (l *Ledger) checkBlocks(ctx context.Context) error {
	streams, err := l.streams()
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if err := l.checkStream(ctx, stream); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) checkStream(ctx context.Context, stream string) error {
	blocks, err := l.openBlocks(stream)
	if err != nil {
		return err
	}
	defer closeBlocks(blocks)
	reports, err := reportAll(ctx, blocks, func(read int) {
		l.progress("checksums of "+stream, uint64(read), uint64(len(blocks)))
	})
	if err != nil {
		return err
	}
	for i, r := range reports {
		if r.damage == nil {
			continue
		}
		if !lastWrite(reports[i:]) || l.endedCleanly(stream, blocks) {
			return r.damage
		}
		l.log.Warn("the last write was cut short, as by a power cut; nobody was told of it, and what there is of it is dropped",
			"store", stream, "block", blocks[i].file.Name(), "at_byte", r.damage.at)
		return cutOff(blocks[i:], r.damage.at)
	}
	return nil
}

// reportAll reads blocks, several at once. It tells how many have been.
func reportAll(ctx context.Context, blocks []block, progress func(read int)) ([]blockReport, error) {
	reports := make([]blockReport, len(blocks))
	var next, read atomic.Int64
	var group errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() (err error) {
			var buffer []byte
			for i := next.Add(1) - 1; int(i) < len(blocks) && err == nil && ctx.Err() == nil; i = next.Add(1) - 1 {
				reports[i], buffer, err = blocks[i].report(buffer)
				progress(int(read.Add(1)))
			}
			return cmp.Or(err, context.Cause(ctx))
		})
	}
	return reports, group.Wait()
}

// blockReport is what is in a block.
type blockReport struct {
	damage     *damage // the first; nil if there is none
	torn       bool    // the damage looks like a write that is there in part
	all, after writes  // of all records that are whole, and of those after the damage
}

// writes are the first two of some writes, by the batch or the revision, and whether
// each begins there. More than two do not matter.
type writes map[string]bool

func (w writes) add(m stored) {
	if len(w) > 1 {
		return
	}
	if batch := m.header("Nats-Batch-Id"); batch != nil {
		w[string(batch)] = w[string(batch)] || string(m.header("Nats-Batch-Sequence")) == "1"
	} else {
		w[fmt.Sprint(m.revision)] = true
	}
}

// report reads a block into the buffer, which it returns to be used again.
func (b block) report(buffer []byte) (r blockReport, data []byte, err error) {
	r.all, r.after = writes{}, writes{}
	data, err = b.read(buffer, func(m stored) error { r.all.add(m); return nil })
	if !errors.As(err, &r.damage) {
		return r, data, err
	}
	hash, err := highwayhash.NewDigest64(b.key[:])
	if err != nil {
		return r, data, err
	}
	r.torn = torn(data, r.damage.at, hash)
	for at := r.damage.at + 1; at < len(data); {
		m, n, whole := parseStored(data[at:], hash)
		if !whole {
			at++
			continue
		}
		if at += n; m.message() {
			r.all.add(m)
			r.after.add(m)
		}
	}
	return r, data, nil
}

// sectorSize is the least that a disk writes whole.
const sectorSize = 512

// torn reports whether the record that is not whole at a byte of a block can have
// been written in part. It is then longer than what there is, or has zeros for a
// sector, which otherwise it has not: it is text, and numbers of eight bytes.
func torn(data []byte, at int, hash *highwayhash.Digest64) bool {
	rest := data[at:]
	if len(rest) < blockFixed+blockHash {
		return true
	}
	length := binary.LittleEndian.Uint32(rest)
	n := int(length &^ blockHeaders)
	if n > len(rest) {
		return !wholeButForLength(rest, length, hash)
	}
	return n == 0 || missesSector(data, at, at+n) ||
		bytes.Contains(rest[:n], make([]byte, 2*blockHash)) || bytes.HasSuffix(rest[:n], make([]byte, blockHash/2))
}

// wholeButForLength reports whether a record is all there, to the end of the block,
// and only says that it is longer.
func wholeButForLength(record []byte, length uint32, hash *highwayhash.Digest64) bool {
	record = bytes.Clone(record)
	binary.LittleEndian.PutUint32(record, length&blockHeaders|uint32(len(record)))
	_, _, whole := parseStored(record, hash)
	return whole
}

// missesSector reports whether what a sector has of a record, which may be a few
// bytes, is all zeros.
func missesSector(data []byte, from, end int) bool {
	for from < end {
		to := min(end, from-from%sectorSize+sectorSize)
		if len(bytes.Trim(data[from:to], "\x00")) == 0 {
			return true
		}
		from = to
	}
	return false
}

// lastWrite reports whether what comes after the damage in the first of some blocks
// is the rest of one write: a batch may end in another block than it began in.
func lastWrite(reports []blockReport) bool {
	rest := map[string]bool{}
	for i, r := range reports {
		if r.damage != nil && !r.torn {
			return false
		}
		found := r.all
		if i == 0 {
			found = r.after
		}
		for w, begins := range found {
			if begins {
				return false
			}
			rest[w] = true
		}
	}
	return len(rest) <= 1
}

// endedCleanly reports whether JetStream's index is of the very end of the last
// block: it was closed, and nothing was being written.
func (l *Ledger) endedCleanly(stream string, blocks []block) bool {
	index, err := os.ReadFile(filepath.Join(l.streamFolder(stream), "msgs", "index.db"))
	if err != nil || len(index) < 2*blockHash {
		return false
	}
	said, sum := index[:len(index)-blockHash], index[len(index)-blockHash:]
	key := sha256.Sum256([]byte(stream))
	if highwayhash.Sum64(said, key[:]) != binary.LittleEndian.Uint64(sum) {
		return false
	}
	last := said[len(said)-blockHash:] // of the last record
	return !bytes.Equal(last, make([]byte, blockHash)) && bytes.Equal(last, blocks[len(blocks)-1].end())
}

// cutOff drops what is in the first of some blocks from a byte on, and the blocks
// after it: those hold the same write, and may say that what it replaced is gone.
func cutOff(blocks []block, at int) error {
	for _, b := range blocks[1:] {
		if err := os.Remove(b.file.Name()); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(blocks[0].file.Name(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(int64(at)), f.Sync(), f.Close(), syncFolder(filepath.Dir(f.Name())))
}
