package sandbox

import (
	"cmp"
	"context"
	"io"
	"unicode/utf8"
)

// What guests hand over is read and copied here in parts. Each is paid before it is
// looked at, so that a guest can be paused and ended meanwhile, and others have their
// turn.

// partBytes is how many bytes a part has: some 100 µs of the slowest reading.
const partBytes = 64 << 10

// parts pays for each part of a text and calls fn with it, until fn returns false. It
// returns fn's last answer. A part ends where a letter does, if the text is UTF-8.
func (k *call) parts(ctx context.Context, r rate, text []byte, fn func(part []byte) bool) bool {
	for len(text) > partBytes {
		cut := partBytes
		for cut > partBytes-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		k.work(ctx, r, cut)
		if !fn(text[:cut]) {
			return false
		}
		text = text[cut:]
	}
	k.work(ctx, r, len(text))
	return fn(text)
}

// isText reports whether it is UTF-8.
func (k *call) isText(ctx context.Context, text []byte) bool {
	return k.parts(ctx, checked, text, utf8.Valid)
}

// isJSON reports whether it is a value in JSON.
func (k *call) isJSON(ctx context.Context, text []byte) bool {
	return isJSON(text, func(next int) { k.work(ctx, parsed, next) })
}

// copyOf is what the host keeps of a guest's memory.
func (k *call) copyOf(ctx context.Context, view []byte) []byte {
	all := make([]byte, len(view))
	k.copyInto(ctx, all, view)
	return all
}

// copyInto copies to a guest's memory, or from it.
func (k *call) copyInto(ctx context.Context, to, from []byte) (n int) {
	k.parts(ctx, copied, from, func(part []byte) bool { n += copy(to[n:], part); return true })
	return n
}

// content is a guest's memory as the host reads it to keep it elsewhere: paid as it is
// read. When all of it has been, others have the turn: what comes then is the disk's.
type content struct {
	ctx  context.Context
	k    *call
	view []byte
	read int
}

// keep calls fn with what is to be kept of a guest's memory.
func (k *call) keep(ctx context.Context, view []byte, fn func(*content) error) error {
	c := &content{ctx: ctx, k: k, view: view}
	err := fn(c)
	if err == nil {
		_, err = io.Copy(io.Discard, c) // what the host had no use for is paid all the same
	}
	if !k.itsTurn {
		err = cmp.Or(err, k.takeTurn(ctx))
	}
	return err
}

// Size implements [work.Content].
func (c *content) Size() int64 { return int64(len(c.view)) }

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	rest := c.view[c.read:]
	if len(rest) == 0 {
		c.k.endTurn()
		return 0, io.EOF
	}
	rest = rest[:min(len(p), len(rest), partBytes)]
	c.k.work(c.ctx, spooled, len(rest))
	c.read += len(rest)
	return copy(p, rest), nil
}
