package content

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// drip is a client that sends so many bytes, and then none for a while, again and again,
// by a clock of its own. It is its own connection.
type drip struct {
	now      time.Time
	bytes    int
	pause    time.Duration
	deadline time.Time
}

func (d *drip) SetReadDeadline(t time.Time) error { d.deadline = t; return nil }

func (d *drip) Read(p []byte) (int, error) {
	if d.now = d.now.Add(d.pause); d.now.After(d.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return copy(p, bytes.Repeat([]byte("x"), d.bytes)), nil
}

// An upload that comes slowly for hours is taken; one that drips is ended, however it
// does so, a short time after the pause that it may make.
func TestAnUploadThatDripsIsEnded(t *testing.T) {
	t.Parallel()
	const hours = 3 * time.Hour
	for name, c := range map[string]struct {
		bytes int
		pause time.Duration
		most  time.Duration // until it is ended; 0: it is not
	}{
		"a_byte_a_minute":       {1, 59 * time.Second, 2 * time.Minute},
		"a_byte_a_second":       {1, time.Second, 2 * time.Minute},
		"nothing":               {1, 2 * time.Minute, 3 * time.Minute},
		"half_of_the_rate":      {512, time.Second, 3 * time.Minute},
		"a_slow_line":           {1500, time.Second, 0},
		"much_and_then_a_pause": {60 << 10, 59 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			d := &drip{now: begun, bytes: c.bytes, pause: c.pause}
			u := &upload{body: d, conn: d, now: func() time.Time { return d.now }, limit: 1 << 40}
			room := make([]byte, 64<<10)
			var err error
			for err == nil && d.now.Sub(begun) < hours {
				_, err = u.Read(room)
			}
			if c.most == 0 {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, "the upload is too slow")
			assert.Less(t, d.now.Sub(begun), c.most)
		})
	}
}

// What the server does with the bytes meanwhile is not the client's time.
func TestTheServersOwnTimeIsNotTheUploads(t *testing.T) {
	t.Parallel()
	d := &drip{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), bytes: 1, pause: time.Millisecond}
	u := &upload{body: d, conn: d, now: func() time.Time { return d.now }, limit: 100}
	for range 100 {
		_, err := io.CopyN(io.Discard, u, 1)
		assert.NoError(t, err)
		d.now = d.now.Add(time.Hour) // the disk is slow
	}
}
