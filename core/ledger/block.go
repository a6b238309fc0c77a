package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// JetStream keeps a stream in files of some megabytes, blocks, in the order of
// revisions. A start reads them as they are, several at once: asked for through a
// consumer, each record would take three times as long to get as to decode. Which
// messages are still there is JetStream's to say, see living; that all of those were
// found is checked. TestBlocksHoldWhatAConsumerGets holds one way against the other.
//
// A message in a block is, all numbers little endian:
//
//	4 bytes  length of all of it; the highest bit says that there are headers
//	8        revision, with bits for what is no message
//	8        time
//	2        length of the subject
//	         subject
//	4        length of the headers, where there are any
//	         headers, data
//	8        HighwayHash of the revision, the time and what follows, without the lengths
const (
	blockFixed   = 22
	blockHash    = 8
	blockHeaders = 1 << 31               // in the length
	blockNothing = uint64(1<<63 | 1<<62) // in the revision: erased, or a note that another was
)

// stored is a message as it is in a block. What it has is valid until the next
// block is read.
type stored struct {
	revision               uint64
	subject, headers, data []byte
}

// block is an open block. It is opened before JetStream is asked what is there, so
// that what it clears away meanwhile can be read nevertheless.
type block struct {
	file *os.File
	key  [sha256.Size]byte // of its hashes
}

// openBlocks opens the blocks of a stream, in order. The caller closes them.
func (l *Ledger) openBlocks(stream string) (blocks []block, err error) {
	dir := filepath.Join(l.streamFolder(stream), "msgs")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a stream may be without, if a crash came while it was made
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".blk"); ok {
			n, _ := strconv.Atoi(name) // what is no number is no block: it has no such hashes
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		f, err := os.Open(filepath.Join(dir, strconv.Itoa(n)+".blk"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // nothing was left in it
		}
		if err != nil {
			closeBlocks(blocks)
			return nil, err
		}
		blocks = append(blocks, block{f, sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, n))})
	}
	return blocks, nil
}

func closeBlocks(blocks []block) {
	for _, b := range blocks {
		_ = b.file.Close() // it was only read
	}
}

// damage is where a block is not as it was written.
type damage struct {
	block string
	at    int
}

func (d *damage) Error() string { return fmt.Sprintf("%v: %s at byte %d", ErrCorrupt, d.block, d.at) }
func (d *damage) Unwrap() error { return ErrCorrupt }

// read calls fn with each message of a block, up to a damage if there is one, which
// is the error it returns. It uses the buffer, and returns it with what was read, to
// be used again.
func (b block) read(buffer []byte, fn func(stored) error) ([]byte, error) {
	info, err := b.file.Stat()
	if err != nil {
		return buffer, err
	}
	buffer = slices.Grow(buffer[:0], int(info.Size()))[:info.Size()]
	if _, err := b.file.ReadAt(buffer, 0); err != nil {
		return buffer, fmt.Errorf("read %s: %w", b.file.Name(), err)
	}
	hash, err := highwayhash.NewDigest64(b.key[:])
	if err != nil {
		return buffer, err
	}
	for at := 0; at < len(buffer); {
		m, n, ok := parseStored(buffer[at:], hash)
		if !ok {
			return buffer, &damage{b.file.Name(), at}
		}
		at += n
		if !m.message() {
			continue
		}
		if err := fn(m); err != nil {
			return buffer, err
		}
	}
	return buffer, nil
}

// end returns the last bytes of a block, where the hash of its last record is. It
// returns nil if there are none.
func (b block) end() []byte {
	info, err := b.file.Stat()
	if err != nil || info.Size() < blockHash {
		return nil
	}
	end := make([]byte, blockHash)
	if _, err := b.file.ReadAt(end, info.Size()-blockHash); err != nil {
		return nil
	}
	return end
}

// parseStored reads the message that data begins with, and returns how long it is.
func parseStored(data []byte, hash *highwayhash.Digest64) (m stored, n int, ok bool) {
	if len(data) < blockFixed+blockHash {
		return m, 0, false
	}
	length := binary.LittleEndian.Uint32(data)
	n = int(length &^ blockHeaders)
	if n < blockFixed+blockHash || n > len(data) {
		return m, 0, false
	}
	m.revision = binary.LittleEndian.Uint64(data[4:])
	body, sum := data[blockFixed:n-blockHash], data[n-blockHash:n]
	subject := int(binary.LittleEndian.Uint16(data[20:]))
	if subject > len(body) {
		return m, 0, false
	}
	m.subject, body = body[:subject], body[subject:]
	headers := 0
	if length&blockHeaders != 0 {
		if len(body) < 4 {
			return m, 0, false
		}
		headers, body = int(binary.LittleEndian.Uint32(body)), body[4:]
	}
	if headers > len(body) {
		return m, 0, false
	}
	m.headers, m.data = body[:headers], body[headers:]
	var got [blockHash]byte
	hash.Reset()
	_, _ = hash.Write(data[4:20]) // a hash takes everything
	_, _ = hash.Write(m.subject)
	_, _ = hash.Write(body)
	return m, n, bytes.Equal(hash.Sum(got[:0]), sum)
}

// message reports whether it is one: others are erased, or notes that one was.
func (m stored) message() bool { return m.revision != 0 && m.revision&blockNothing == 0 }

// header returns a header, or nil. JetStream keeps headers as they were sent: a line
// each, "NAME: VALUE".
func (m stored) header(name string) []byte {
	for rest := m.headers; ; {
		at := bytes.Index(rest, []byte(name))
		if at < 0 {
			return nil
		}
		before, after := rest[:at], rest[at+len(name):]
		if value, ok := bytes.CutPrefix(after, []byte(": ")); ok && bytes.HasSuffix(before, []byte("\r\n")) {
			value, _, _ = bytes.Cut(value, []byte("\r\n"))
			return value
		}
		rest = after
	}
}

// living is which messages of a stream are still there.
type living struct {
	first, last uint64
	deleted     []uint64 // between them, in order
}

// has reports whether a message is there.
func (l living) has(revision uint64) bool {
	_, gone := slices.BinarySearch(l.deleted, revision)
	return revision >= l.first && revision <= l.last && !gone
}
