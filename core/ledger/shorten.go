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
	digestAway  = 2*sha256.Size + len(`"`)          // from the quote before it to the one behind it
)

// shorten adds data to into, each string in it that is a digest shortened, and returns
// how many were. It reports false for data that cannot be made whole again.
func shorten(into, data []byte) (short []byte, digests int, ok bool) {
	if bytes.IndexByte(data, digestMark) >= 0 {
		return into, 0, false
	}
	var digest [sha256.Size]byte
	done := 0
	for at := 0; at+digestAway < len(data) && digests < mostDigests; {
		quote := bytes.IndexByte(data[at:], '"')
		if quote < 0 {
			break
		}
		at += quote + 1
		end := at + 2*sha256.Size
		if end >= len(data) || data[end] != '"' || !isDigest(data[at:end], &digest) {
			continue
		}
		into = append(append(into, data[done:at]...), digestMark)
		into = append(into, digest[:]...)
		at, done = end, end
		digests++
	}
	return append(into, data[done:]...), digests, true
}

// isDigest reports whether text is a digest as this program writes it, and decodes it.
func isDigest(text []byte, into *[sha256.Size]byte) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	_, err := hex.Decode(into[:], text)
	return err == nil
}

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
