package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// Before the store is opened, its logs are read: the write-ahead log, and the manifest
// that says which files there are. Where one is damaged, the store takes that for its
// end: what was acknowledged behind it would be gone without a word. It can tell a torn
// end from damage, but looks at whole blocks of 32 KiB only (Pebble v2.1,
// readAheadForCorruption), and at the manifest not at all.
//
// A log is a row of chunks in blocks; none crosses from one block to the next:
//
//	4 bytes  CRC-32C of the rest, masked
//	2        the length of the payload
//	1        type
//	4        number of the log; not in a manifest
//	8        up to where the log was on disk when the chunk was written; not in a
//	         manifest
//	         payload
//
// all numbers little endian. A log may be the reused file of an older one, whose number
// its chunks have, behind the end.
const logBlock = 32 << 10

// chunkHead is how long the head of a chunk is, by type.
var chunkHead = [...]int{0, 7, 7, 7, 7, 11, 11, 11, 11, 19, 19, 19, 19}

// checkLogs refuses a store with a log that is damaged before its end.
func checkLogs(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// One that no marker names yet may be torn: it was not synced.
	manifest, err := atomicfs.ReadMarker(vfs.Default, dir, "manifest")
	if err != nil {
		return err
	}
	newest := newestLog(entries)
	for _, e := range entries {
		number, isLog := logNumber(e.Name())
		if !isLog && e.Name() != manifest {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		c := logCheck{data: data, number: number, numbered: isLog, followed: isLog && number < newest}
		if at, damaged := c.damage(); damaged {
			return fmt.Errorf("%w: %s at byte %d, before its end", ErrCorrupt, filepath.Join(filepath.Base(dir), e.Name()), at)
		}
	}
	return nil
}

// logNumber returns the number of a write-ahead log.
func logNumber(name string) (number uint32, ok bool) {
	digits, isLog := strings.CutSuffix(name, ".log")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), isLog && err == nil
}

func newestLog(entries []fs.DirEntry) (newest uint32) {
	for _, e := range entries {
		if number, ok := logNumber(e.Name()); ok {
			newest = max(newest, number)
		}
	}
	return newest
}

// logCheck is a log that is read.
type logCheck struct {
	data     []byte
	number   uint32
	numbered bool
	followed bool // there is a newer log: this one was closed, and synced before that one was made
}

// damage returns where the first chunk is that cannot be read, if there is proof that
// it was on disk: a chunk behind it that says so, or the mark at the end of a log that
// is followed by another. The mark alone proves nothing: it is written before the sync
// that closes the log, and a power cut may keep it and lose what is before it.
func (c *logCheck) damage() (at int, damaged bool) {
	end, clean := c.end()
	if clean || end >= len(c.data) {
		return 0, false
	}
	for at := end + 1; at+7 <= len(c.data); at++ {
		if c.followed && c.closed(at) {
			return end, true
		}
		length, ok := c.chunk(at)
		if !ok {
			continue
		}
		if !c.numbered { // a manifest is never reused
			return end, true
		}
		if c.data[at+6] >= 9 && binary.LittleEndian.Uint64(c.data[at+11:]) > uint64(end) {
			return end, true
		}
		at += length - 1
	}
	return 0, false
}

// end returns where the log can be read to, and whether it was closed there.
func (c *logCheck) end() (at int, clean bool) {
	for at < len(c.data) {
		left := logBlock - at%logBlock
		if left < 7 || at+left <= len(c.data) && left < 19 && len(bytes.Trim(c.data[at:at+left], "\x00")) == 0 {
			at += left // too small a rest of a block for a chunk
			continue
		}
		if c.numbered && c.closed(at) {
			return at, true
		}
		length, ok := c.chunk(at)
		if !ok {
			return at, false
		}
		at += length
	}
	return at, true
}

// chunk returns the length of the chunk at a place, if there is a whole one.
func (c *logCheck) chunk(at int) (length int, ok bool) {
	b := c.data[at:min(len(c.data), at+logBlock-at%logBlock)]
	if len(b) < 7 || b[6] == 0 || int(b[6]) >= len(chunkHead) || c.numbered != (b[6] >= 5) {
		return 0, false
	}
	head := chunkHead[b[6]]
	length = head + int(binary.LittleEndian.Uint16(b[4:]))
	if length > len(b) || c.numbered && binary.LittleEndian.Uint32(b[7:]) != c.number {
		return 0, false
	}
	return length, binary.LittleEndian.Uint32(b) == chunkSum(b[6:length])
}

// closed reports whether the log was closed at a place: then an empty chunk without a
// checksum is there that has the number of the log to come.
func (c *logCheck) closed(at int) bool {
	const head = "\x00\x00\x00\x00\x00\x00\x05"
	b := c.data[at:]
	return len(b) >= 11 && string(b[:7]) == head && binary.LittleEndian.Uint32(b[7:]) == c.number+1
}

func chunkSum(b []byte) uint32 {
	sum := crc32.Checksum(b, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
