package server

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"thresher/server/problem"
)

// http2Preface is what a client with prior knowledge of HTTP/2 sends first. fasthttp takes
// it for a request.
const http2Preface = "PRI * HTTP/2.0\r\n\r\n"

// http2Time is how long such a client may take to ask, and to read the answer.
const http2Time = 10 * time.Second

// refuseHTTP2 answers a client that speaks HTTP/2 in HTTP/2, so that the client shows an
// error instead of a broken frame. It reports whether the client was one.
func refuseHTTP2(c *fasthttp.RequestCtx) bool {
	if string(c.Method()) != "PRI" || string(c.RequestURI()) != "*" {
		return false
	}
	c.HijackSetNoResponse(true)
	c.Hijack(answerHTTP2)
	return true
}

// answerHTTP2 answers every request on a connection, until it ends.
func answerHTTP2(c net.Conn) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	s := http.Server{
		Handler: http.HandlerFunc(sayHTTP1), Protocols: &protocols, MaxHeaderBytes: headerSize,
		ReadTimeout: http2Time, WriteTimeout: http2Time, IdleTimeout: http2Time,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	only := &onlyConn{Conn: c, read: io.MultiReader(strings.NewReader(http2Preface), c), closed: make(chan struct{})}
	_ = s.Serve(only) // it ends with the connection, which is all there is to say
}

// sayHTTP1 answers that the server speaks HTTP/1.1.
func sayHTTP1(w http.ResponseWriter, r *http.Request) {
	p := problem.New("http_version", "%s: this server speaks HTTP/1.1: send the request without prior knowledge of HTTP/2", r.Proto)
	w.Header().Set("Content-Type", problem.MediaType)
	w.Header().Set("Connection", "close")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that is gone needs no answer
}

// onlyConn is a connection, and the listener that accepts no other.
type onlyConn struct {
	net.Conn
	read   io.Reader
	taken  bool // only Accept looks at it
	end    sync.Once
	closed chan struct{} // closed with the connection
}

func (c *onlyConn) Accept() (net.Conn, error) {
	if c.taken {
		<-c.closed
		return nil, net.ErrClosed
	}
	c.taken = true
	return c, nil
}

func (c *onlyConn) Addr() net.Addr { return c.LocalAddr() }

func (c *onlyConn) Read(p []byte) (int, error) { return c.read.Read(p) }

func (c *onlyConn) Close() error {
	c.end.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
