package content

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"thresher/server/problem"
)

// What is read of a body that its handler did not want, so that the client gets
// to read the answer. What is left then goes with the connection.
const (
	restSize = 256 << 20
	restTime = 10 * time.Second
)

// body is a request's body. It remembers that it has been read to its end: reading
// on would take the next request for more of it. A body that the client broke off
// is an error, not the end.
type body struct {
	io.Reader
	size  int64 // as announced; negative if it comes in chunks
	conn  net.Conn
	read  int64
	ended bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	switch {
	case errors.Is(err, io.EOF) && !b.cut():
		b.ended = true
	case err != nil:
		return n, problem.New("bad_request", "the body broke off after %d bytes", b.read)
	}
	return n, err
}

// cut reports whether what looks like the end is where the client went away.
func (b *body) cut() bool {
	if b.size >= 0 {
		return b.read < b.size
	}
	c, ok := b.conn.(interface{ HungUp() bool })
	return ok && c.HungUp()
}

type bodyKey struct{}

// bodyOf returns the request's body, the same for each call, or nil if it has none.
func bodyOf(c *fiber.Ctx) *body {
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return nil
	}
	if b, ok := c.Locals(bodyKey{}).(*body); ok {
		return b
	}
	b := &body{Reader: stream, size: int64(c.Request().Header.ContentLength()), conn: c.Context().Conn()}
	c.Locals(bodyKey{}, b)
	return b
}

// Finish reads what handlers left of the request's body: it would be taken for the
// next request on the connection otherwise.
func Finish(c *fiber.Ctx) error {
	err := c.Next()
	rest := c.Context().RequestBodyStream()
	if rest == nil {
		return err // there was none, or it was read whole
	}
	if ours, ok := c.Locals(bodyKey{}).(*body); ok {
		rest = ours
	} else if c.Request().Header.ContentLength() < 0 {
		// Someone else has read it, and whether to its end is not known: it came in
		// chunks. Of a body whose length was announced the stream itself knows.
		c.Context().SetConnectionClose()
		return err
	}
	if deadlineErr := c.Context().Conn().SetReadDeadline(time.Now().Add(restTime)); deadlineErr != nil {
		return errors.Join(err, deadlineErr)
	}
	if n, readErr := io.Copy(io.Discard, io.LimitReader(rest, restSize)); readErr != nil || n == restSize {
		c.Context().SetConnectionClose()
	}
	return err
}
