package content

import (
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"
)

// What is read of a body that its handler did not want, so that the client gets
// to read the answer. What is left then goes with the connection.
const (
	restSize = 256 << 20
	restTime = 10 * time.Second
)

// body is a request's body, which remembers that it has been read to its end:
// reading on would take the next request for more of it.
type body struct {
	io.Reader
	ended bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	n, err := b.Reader.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

// bodyOf returns the request's body, the same for each call, or nil if it has none.
func bodyOf(c *fiber.Ctx) *body {
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return nil
	}
	if b, ok := c.Locals(body{}).(*body); ok {
		return b
	}
	b := &body{Reader: stream}
	c.Locals(body{}, b)
	return b
}

// Finish reads what handlers left of the request's body: it would be taken for the
// next request on the connection otherwise.
func Finish(c *fiber.Ctx) error {
	err := c.Next()
	if c.Context().RequestBodyStream() == nil {
		return err // there was none, or it was read whole
	}
	_, ours := c.Locals(body{}).(*body)
	if chunked := c.Request().Header.ContentLength() < 0; chunked && !ours {
		// Someone else has read it, and whether to its end is not known.
		c.Context().SetConnectionClose()
		return err
	}
	if deadlineErr := c.Context().Conn().SetReadDeadline(time.Now().Add(restTime)); deadlineErr != nil {
		return errors.Join(err, deadlineErr)
	}
	if n, readErr := io.Copy(io.Discard, io.LimitReader(bodyOf(c), restSize)); readErr != nil || n == restSize {
		c.Context().SetConnectionClose()
	}
	return err
}
