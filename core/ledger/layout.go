package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"
)

// Everything is in one key space, in the order of bytes. A kind's name ends with a
// zero byte.
//
//	m<name>                          one of the store: its revision
//	n<kind>                          the position that the kind's next record gets
//	v<kind>                          the version of the kind's index
//	s<kind><name>                    a sum over the kind's records
//	k<kind><key>                     the position of a record
//	r<kind><position>                the record: see encodeRecord
//	b<kind><block>                   a sealed block: see encodeSeal
//	t<kind><block>                   its times: see encodeTimes
//	x<kind><term><block>             the places of a sealed block whose records have
//	                                 a term: see places; newer blocks come first
//
// Positions have eight bytes and blocks four, big endian; the block of an index entry
// is inverted.
const (
	tagMeta     = 'm'
	tagNext     = 'n'
	tagVersion  = 'v'
	tagSum      = 's'
	tagKey      = 'k'
	tagRecord   = 'r'
	tagSeal     = 'b'
	tagTimes    = 't'
	tagIndex    = 'x'
	blockSuffix = 4 // bytes of a block's number at the end of an index entry
)

var revisionKey = []byte{tagMeta, 'r'}

// comparer orders keys as bytes. It tells the store that index entries of one term
// belong together, so that a term without entries is known without reading.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "thresher.1"
	c.Split = func(key []byte) int {
		if len(key) == 0 || key[0] != tagIndex {
			return len(key)
		}
		term := 1 + bytes.IndexByte(key, 0) // behind the kind
		if end := bytes.Index(key[term:], termEnd); term > 0 && end >= 0 {
			return term + end + len(termEnd)
		}
		return len(key)
	}
	return &c
}()

// termEnd ends a term. It is in none: see appendEscaped.
var termEnd = []byte{0, 1}

func (k *kind) prefix(tag byte) []byte {
	return append(append(append(make([]byte, 0, len(k.name)+32), tag), k.name...), 0)
}

func (k *kind) versionKey() []byte        { return k.prefix(tagVersion) }
func (k *kind) nextKey() []byte           { return k.prefix(tagNext) }
func (k *kind) sumKey(name string) []byte { return append(k.prefix(tagSum), name...) }
func (k *kind) keyKey(key string) []byte  { return append(k.prefix(tagKey), key...) }
func (k *kind) recordKey(at uint64) []byte {
	return binary.BigEndian.AppendUint64(k.prefix(tagRecord), at)
}

func (k *kind) sealKey(block uint32) []byte {
	return binary.BigEndian.AppendUint32(k.prefix(tagSeal), block)
}

func (k *kind) timesKey(block uint32) []byte {
	return binary.BigEndian.AppendUint32(k.prefix(tagTimes), block)
}

// termPrefix begins the index entries of a term. A zero byte within the term is
// escaped, so that no term's prefix begins another's.
func (k *kind) termPrefix(term string) []byte {
	return append(appendEscaped(k.prefix(tagIndex), term), termEnd...)
}

func (k *kind) indexKey(term string, block uint32) []byte {
	return binary.BigEndian.AppendUint32(k.termPrefix(term), ^block)
}

func appendEscaped(to []byte, term string) []byte {
	for i := range len(term) {
		if to = append(to, term[i]); term[i] == 0 {
			to = append(to, 0xff)
		}
	}
	return to
}

// termOf returns the term of an index entry of the kind.
func (k *kind) termOf(entry []byte) string {
	escaped := entry[len(k.name)+2 : len(entry)-blockSuffix-2]
	return string(bytes.ReplaceAll(escaped, []byte{0, 0xff}, []byte{0}))
}

func blockOf(entry []byte) uint32 {
	return ^binary.BigEndian.Uint32(entry[len(entry)-blockSuffix:])
}

// after returns the first key behind all that begin with a prefix.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A record is stored as
//
//	1 byte   the version of this encoding
//	8        the revision of its newest write
//	2        the length of its key
//	         its key
//	4        CRC-32C of position, of all of the above, and of the rest
//	         its value, JSON
const (
	recordVersion = 1
	recordHead    = 1 + 8 + 2
)

func encodeRecord(position, revision uint64, key string, data []byte) []byte {
	b := make([]byte, 0, recordHead+len(key)+4+len(data))
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint64(b, revision)
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, key...)
	b = binary.BigEndian.AppendUint32(b, recordSum(position, b, data))
	return append(b, data...)
}

func recordSum(position uint64, head, data []byte) uint32 {
	sum := crc32.Checksum(binary.BigEndian.AppendUint64(nil, position), castagnoli)
	return crc32.Update(crc32.Update(sum, castagnoli, head), castagnoli, data)
}

// decodeRecord returns what encodeRecord was given. data is part of b.
func decodeRecord(position uint64, b []byte) (revision uint64, key string, data []byte, err error) {
	if len(b) < recordHead || b[0] != recordVersion {
		return 0, "", nil, fmt.Errorf("%w: no record at position %d", ErrCorrupt, position)
	}
	revision = binary.BigEndian.Uint64(b[1:])
	end := recordHead + int(binary.BigEndian.Uint16(b[9:]))
	if len(b) < end+4 {
		return 0, "", nil, fmt.Errorf("%w: the record at position %d is cut off", ErrCorrupt, position)
	}
	key, data = string(b[recordHead:end]), b[end+4:]
	if binary.BigEndian.Uint32(b[end:]) != recordSum(position, b[:end], data) {
		return 0, "", nil, fmt.Errorf("%w: the record %q at position %d does not match its checksum", ErrCorrupt, key, position)
	}
	return revision, key, data, nil
}

// seal is what is known of a sealed block: which of its index entries count, and the
// ranges of its keys and times.
type seal struct {
	id uint64 // 0: the block is not sealed
	bounds
}

func encodeSeal(s seal) []byte {
	b := binary.BigEndian.AppendUint64(nil, s.id)
	b = binary.BigEndian.AppendUint64(b, uint64(s.oldest))
	b = binary.BigEndian.AppendUint64(b, uint64(s.newest))
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.min)))
	return append(append(b, s.min...), s.max...)
}

func decodeSeal(b []byte) (seal, error) {
	const head = 8 + 8 + 8 + 2
	if len(b) < head || len(b) < head+int(binary.BigEndian.Uint16(b[head-2:])) {
		return seal{}, fmt.Errorf("%w: the seal of a block", ErrCorrupt)
	}
	end := head + int(binary.BigEndian.Uint16(b[head-2:]))
	oldest, newest := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	return seal{binary.BigEndian.Uint64(b), bounds{string(b[head:end]), string(b[end:]), int64(oldest), int64(newest)}}, nil
}

func encodeUint(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func decodeUint(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: a number has %d bytes", ErrCorrupt, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}
