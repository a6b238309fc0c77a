package openapitest

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// Relay returns the URL of a relay to a server, which runs as long as the test. The relay
// reads along: that is how a server in a process of its own is checked. It closes a
// connection when the server does.
func Relay(t testing.TB, server string) string {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(t, inner)
	address := strings.TrimPrefix(server, "http://")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			client, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go relay(client, address)
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close() // nobody else does
		<-ended
		l.Stop(t)
	})
	return "http://" + inner.Addr().String()
}

// relay connects a client to a server until one of them is gone.
func relay(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = io.Copy(server, struct{ io.Reader }{client}) // whoever is gone ends it
		if half, ok := server.(*net.TCPConn); ok {
			_ = half.CloseWrite() // likewise
		}
	}()
	_, _ = io.Copy(struct{ io.Writer }{client}, server) // likewise
	_ = client.Close()                                  // so that the other copy ends
	<-asked
}
