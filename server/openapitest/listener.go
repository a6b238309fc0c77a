// Package openapitest holds the answers of servers under test against the OpenAPI
// document. It reads along on the connections, so that it sees what any client sees, and
// fails the test for an answer with a status, a media type, a header or a body that the
// document does not describe.
//
// Where it fails, either the answer is wrong or package api describes the operation
// wrongly: the types of the handlers' bodies, document.go for statuses and headers,
// values.go for the values of a type, a tag `enum` for those of a string.
package openapitest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"thresher/core/guard"
	"thresher/server/api"
)

// theContract is read once: all servers of a program have one document.
var theContract = sync.OnceValues(func() (*contract, error) {
	document, err := api.Document("test")
	if err != nil {
		return nil, err
	}
	return newContract(document)
})

// Listener reads along on the connections that it accepts.
type Listener struct {
	net.Listener
	contract *contract
	readers  sync.WaitGroup
	state    *guard.Value[watched]
}

// watched is what a listener has seen.
type watched struct {
	open     map[*conn]bool
	breaches map[string]bool
}

// Listen returns a listener that reads along on the connections of another.
func Listen(t testing.TB, l net.Listener) *Listener {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal("read the OpenAPI document:", err)
	}
	return &Listener{Listener: l, contract: c, state: guard.New("openapitest", guard.RankClock+1, watched{open: map[*conn]bool{}, breaches: map[string]bool{}})}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, l: l, requests: newTape(), answers: newTape()}
	l.state.Must(func(w *watched) { w.open[c] = true })
	exchanges := make(chan *http.Request, 1024) // more at once than any test asks
	l.readers.Go(func() { readRequests(c.requests, exchanges) })
	l.readers.Go(func() { l.readAnswers(c.answers, exchanges) })
	return c, nil
}

// Stop ends the reading along, once the server has ended, and reports what it found.
func (l *Listener) Stop(t testing.TB) {
	t.Helper()
	var open []*conn
	l.state.Must(func(w *watched) {
		for c := range w.open {
			open = append(open, c)
		}
	})
	for _, c := range open {
		c.end()
	}
	l.readers.Wait()
	l.state.Must(func(w *watched) {
		for breach := range w.breaches {
			t.Error("the OpenAPI document does not describe an answer:", breach)
		}
	})
}

// readRequests reads the requests of a connection, until it ends or sends what is none.
func readRequests(r *tape, exchanges chan<- *http.Request) {
	defer close(exchanges)
	defer r.end()
	in := bufio.NewReader(r)
	for {
		request, err := http.ReadRequest(in)
		if err != nil || request.Method == "PRI" {
			return
		}
		exchanges <- request
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
	}
}

// maxBody is how much of a body is kept to be checked, in bytes.
const maxBody = 64 << 20

// readAnswers reads the answers to requests, and checks each.
func (l *Listener) readAnswers(r *tape, exchanges <-chan *http.Request) {
	defer r.end()
	in := bufio.NewReader(r)
	for request := range exchanges {
		answer, err := readAnswer(in, request)
		if err != nil {
			return // the connection ended
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
		whole := err == nil && len(body) < maxBody
		if _, restErr := io.Copy(io.Discard, answer.Body); restErr != nil {
			whole = false
		}
		target := request.URL.EscapedPath()
		if err := l.contract.check(request.Method, target, answer, body, whole); err != nil {
			l.state.Must(func(w *watched) {
				w.breaches[fmt.Sprintf("%s %s: %d: %v", request.Method, target, answer.StatusCode, err)] = true
			})
		}
		if answer.StatusCode == http.StatusSwitchingProtocols || answer.Close && err != nil {
			return
		}
	}
}

// readAnswer reads an answer, but none that says that another follows.
func readAnswer(in *bufio.Reader, request *http.Request) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(in, request)
		if err != nil || answer.StatusCode >= 200 {
			return answer, err
		}
	}
}

// conn records what is read and written.
type conn struct {
	net.Conn
	l                 *Listener
	requests, answers *tape
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.requests.record(p[:max(n, 0)])
	if errors.Is(err, io.EOF) {
		c.requests.end()
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.answers.record(p[:max(n, 0)])
	return n, err
}

func (c *conn) Close() error {
	c.end()
	return c.Conn.Close()
}

// end ends the reading along.
func (c *conn) end() {
	c.requests.end()
	c.answers.end()
	c.l.state.Must(func(w *watched) { delete(w.open, c) })
}

// SetWriteBuffer bounds what the kernel keeps of what is written.
func (c *conn) SetWriteBuffer(bytes int) error {
	if inner, ok := c.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		return inner.SetWriteBuffer(bytes)
	}
	return nil
}
