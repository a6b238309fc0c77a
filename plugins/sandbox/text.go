package sandbox

import (
	"context"
	"unicode/utf8"
)

// What guests hand over is copied and read here in parts, with a rest between two, so
// that a guest can be paused and ended meanwhile, and others have their turn. It has
// been paid for by then.

// restEvery is how many bytes lie between two rests: some 100 µs of the slowest
// reading.
const restEvery = 64 << 10

// rest lets others run, and the guest wait or end.
func (k *call) rest(ctx context.Context) { k.charge(ctx, 0) }

// parts calls fn with a text's parts until it returns false, and returns what it did
// last. A part ends where a letter does, if the text is UTF-8.
func (k *call) parts(ctx context.Context, text []byte, fn func(part []byte) bool) bool {
	for len(text) > restEvery {
		cut := restEvery
		for cut > restEvery-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		if !fn(text[:cut]) {
			return false
		}
		text = text[cut:]
		k.rest(ctx)
	}
	return fn(text)
}

// isText reports whether it is UTF-8.
func (k *call) isText(ctx context.Context, text []byte) bool { return k.parts(ctx, text, utf8.Valid) }

// copyOf is what the host keeps of a guest's memory.
func (k *call) copyOf(ctx context.Context, view []byte) []byte {
	if len(view) == 0 {
		return []byte{}
	}
	all := make([]byte, 0, len(view))
	k.parts(ctx, view, func(part []byte) bool { all = append(all, part...); return true })
	return all
}
