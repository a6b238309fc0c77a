package openapitest

import (
	"bytes"
	"io"

	"thresher/core/guard"
)

// tape keeps what goes one way over a connection until it is read. Writing never waits:
// the connection must not notice.
type tape struct {
	state *guard.Value[recorded]
	more  chan struct{} // has a token if there may be something new
}

type recorded struct {
	buffer bytes.Buffer
	ended  bool
}

func newTape() *tape {
	return &tape{guard.New("openapitest tape", guard.RankClock+1, recorded{}), make(chan struct{}, 1)}
}

func (t *tape) record(p []byte) {
	t.state.Must(func(r *recorded) {
		if !r.ended {
			r.buffer.Write(p)
		}
	})
	t.wake()
}

// end ends what is read: what is recorded later is dropped.
func (t *tape) end() {
	t.state.Must(func(r *recorded) { r.ended = true })
	t.wake()
}

func (t *tape) wake() {
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// Read implements io.Reader for one reader.
func (t *tape) Read(p []byte) (n int, err error) {
	for {
		ended := false
		t.state.Must(func(r *recorded) {
			n, _ = r.buffer.Read(p) // its only error says that it is empty
			ended = r.ended
		})
		switch {
		case n > 0:
			return n, nil
		case ended:
			return 0, io.EOF
		}
		<-t.more
	}
}
