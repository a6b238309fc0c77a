package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
)

// A record has digests, which are half of what does not pack: nothing is like them.
// They are kept as the bytes that they stand for.

const (
	digestMark  = 1                                 // before them: JSON has no such byte
	digestSaves = 2*sha256.Size - (1 + sha256.Size) // bytes
	mostDigests = math.MaxUint8                     // of a record; further ones stay as they are
)

// shorten adds data to into, each string in it that is a digest shortened, and returns
// how many were. It reports false for data that cannot be made whole again.
func shorten(into, data []byte) (short []byte, digests int, ok bool) {
	if bytes.IndexByte(data, digestMark) >= 0 {
		return into, 0, false
	}
	var digest [sha256.Size]byte
	done := 0
	for at := 2 * sha256.Size; at < len(data) && digests < mostDigests; at += 2 * sha256.Size {
		// A digest is that long: one of these places is in it.
		start := at
		for start > done && at-start < 2*sha256.Size && digits[data[start-1]] <= 0xf {
			start--
		}
		end := start + 2*sha256.Size
		if start == 0 || data[start-1] != '"' || end >= len(data) || data[end] != '"' || !isDigest(data[start:end], &digest) {
			continue
		}
		into = append(append(into, data[done:start]...), digestMark)
		into = append(into, digest[:]...)
		at, done = end, end
		digests++
	}
	return append(into, data[done:]...), digests, true
}

// isDigest reports whether text is a digest as this program writes it, and decodes it.
func isDigest(text []byte, into *[sha256.Size]byte) bool {
	for i := range into {
		high, low := digits[text[2*i]], digits[text[2*i+1]]
		if high|low > 0xf {
			return false
		}
		into[i] = high<<4 | low
	}
	return true
}

// digits is what a hexadecimal digit in lower case stands for; 0xff for no such digit.
var digits = func() (values [256]byte) {
	for c := range values {
		values[c] = 0xff
	}
	for value, c := range "0123456789abcdef" {
		values[c] = byte(value)
	}
	return values
}()

// lengthen undoes shorten in place. The shortened data is at the end of all, with as much room
// before it as is needed, so that what is written stays behind what is read.
func lengthen(all []byte, digests int) {
	read, write := digests*digestSaves, 0
	for range digests {
		plain := bytes.IndexByte(all[read:], digestMark)
		copy(all[write:], all[read:read+plain])
		read, write = read+plain+1, write+plain
		digest := [sha256.Size]byte(all[read:])
		hex.Encode(all[write:], digest[:])
		read, write = read+len(digest), write+2*len(digest)
	}
}
