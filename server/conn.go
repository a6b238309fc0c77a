package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// readerPatience is how long a client may take to read a piece of an answer.
// Handlers with less patience set a deadline of their own.
const readerPatience = time.Minute

// patientListener accepts connections that end where a client reads no more.
type patientListener struct{ net.Listener }

func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is a client's connection.
type conn struct {
	net.Conn
	ownDeadline atomic.Bool // a handler has set one for its writes
	hungUp      atomic.Bool // the client has sent its last byte
	late        atomic.Bool // the client has not read in time
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.ownDeadline.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) Write(p []byte) (int, error) {
	if !c.ownDeadline.Load() {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(readerPatience)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.late.Store(true)
	}
	return n, err
}

// Late reports whether a write came to nothing because the client did not read.
func (c *conn) Late() bool { return c.late.Load() }

// SetWriteBuffer bounds what the kernel keeps of an answer that the client does not
// read.
func (c *conn) SetWriteBuffer(bytes int) error {
	if inner, ok := c.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		return inner.SetWriteBuffer(bytes)
	}
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.hungUp.Store(true)
	}
	return n, err
}

// HungUp reports whether the client has sent its last byte: a body that ends with
// that may have been cut off.
func (c *conn) HungUp() bool { return c.hungUp.Load() }
