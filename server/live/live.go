// Package live streams events to browsers and programs: server-sent events over
// plain Fiber handlers. A stream never holds anything up: what a client does not
// read in time, or cannot be sent, ends it.
package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/feed"
	"thresher/plugins/registry"
	"thresher/server/api"
	"thresher/server/problem"
)

const (
	heartbeat = 5 * time.Second  // between comments on a quiet stream: how soon a gone client is noticed
	patience  = 10 * time.Second // for one write
	retry     = time.Second      // after which a client should come back

	mostStreams = 4096     // open at once; one more is refused
	kernelBytes = 32 << 10 // that the kernel may keep of a stream that is not read
)

// streams are those that are open.
type streams struct {
	engine *core.Engine
	log    *slog.Logger
	open   atomic.Int64
}

// Mount adds the routes.
func Mount(r fiber.Router, engine *core.Engine, plugins *registry.Registry, log *slog.Logger) {
	s := &streams{engine: engine, log: log}
	r.Get("/events", func(c *fiber.Ctx) error { return s.follow(c, "", nil) })
	r.Get("/jobs/:id/events", func(c *fiber.Ctx) error {
		id := c.Params("id")
		if _, err := engine.Job(c.Context(), id); err != nil {
			return err
		}
		return s.follow(c, id, func() *feed.Event {
			j, err := engine.Job(c.Context(), id)
			if err != nil {
				return nil
			}
			return &feed.Event{ID: j.Revision, Type: feed.TypeJob, Job: id, Data: withoutResult(j)}
		})
	})
	if plugins == nil {
		return
	}
	r.Get("/modules/:digest/events", func(c *fiber.Ctx) error {
		tenant, digest := c.Query("tenant", core.DefaultTenant), c.Params("digest")
		if _, err := plugins.Module(c.Context(), tenant, digest); err != nil {
			return err
		}
		topic := registry.Topic(tenant, digest)
		return s.follow(c, topic, func() *feed.Event {
			v, err := plugins.Module(c.Context(), tenant, digest)
			if err != nil {
				return nil
			}
			return &feed.Event{Type: feed.TypeModule, Job: topic, Data: v.Event()}
		})
	})
}

// follow streams the events under a topic, the id of a job, or all. What it is about is
// told first as it is now, unless the client comes back.
func (all *streams) follow(c *fiber.Ctx, topic string, now func() *feed.Event) error {
	after, err := lastEventID(c)
	if err != nil {
		return err
	}
	if all.open.Add(1) > mostStreams {
		all.open.Add(-1)
		return problem.Busy("too_many_streams", retry, "%d streams are open, which is the limit", mostStreams)
	}
	sub, err := all.engine.Subscribe(c.Context(), after, topic)
	if err != nil {
		all.open.Add(-1)
		return err
	}
	c.Set(fiber.HeaderContentType, api.MediaEvents)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("X-Accel-Buffering", "no") // proxies must not collect
	if c.Context().IsHead() {
		all.end(sub)
		return nil
	}
	// What the stream needs is captured here: the request is gone when it runs.
	s := stream{all: all, conn: c.Context().Conn(), sub: sub}
	if after == 0 && now != nil {
		s.first = now()
	}
	c.Context().SetBodyStreamWriter(s.run)
	return nil
}

func (all *streams) end(sub *feed.Subscription) {
	sub.Close()
	all.open.Add(-1)
}

func withoutResult(j core.Job) json.RawMessage {
	if j.Outcome != nil {
		o := *j.Outcome
		o.Result = nil
		j.Outcome = &o
	}
	data, err := json.Marshal(j)
	if err != nil {
		panic("live: a job does not encode: " + err.Error())
	}
	return data
}

func lastEventID(c *fiber.Ctx) (uint64, error) {
	text := c.Get("Last-Event-ID")
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &core.Invalid{Field: "header.Last-Event-ID", Message: "want the id of an event, a number"}
	}
	return id, nil
}

// stream is one client's stream.
type stream struct {
	all   *streams
	conn  net.Conn
	sub   *feed.Subscription
	first *feed.Event
}

func (s stream) run(w *bufio.Writer) {
	defer s.all.end(s.sub)
	if c, ok := s.conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(kernelBytes) // a bound, not a need
	}
	defer func() { _ = s.conn.SetWriteDeadline(time.Time{}) }() // the connection may live on
	fmt.Fprintf(w, "retry: %d\n\n", retry.Milliseconds())
	if s.first != nil {
		write(w, *s.first)
	}
	if s.flush(w) != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		e, ok := s.sub.Next()
		switch {
		case ok:
			write(w, e)
		case s.sub.Err() != nil:
			s.goodbye(w)
			return
		default:
			select {
			case <-s.sub.More():
				continue
			case <-beat.C:
				_, _ = w.WriteString(":\n\n") // flush reports what went wrong
			}
		}
		if s.flush(w) != nil {
			return
		}
	}
}

// goodbye says why the stream ends.
func (s stream) goodbye(w *bufio.Writer) {
	why := "dropped"
	if errors.Is(s.sub.Err(), feed.ErrClosed) {
		why = "shutdown"
	} else {
		s.all.log.Info("event stream dropped", "client", s.conn.RemoteAddr(), "reason", s.sub.Err())
	}
	data, _ := json.Marshal(map[string]string{"reason": s.sub.Err().Error()}) // a string encodes
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", why, data)
	_ = s.flush(w) // the client may be gone
}

// flush sends what was written. fasthttp does not tell of a client that left: the
// failed write does. The error is of a pipe to what writes to the connection; that
// knows whether the client was too slow.
func (s stream) flush(w *bufio.Writer) error {
	err := errors.Join(s.conn.SetWriteDeadline(time.Now().Add(patience)), w.Flush())
	if c, ok := s.conn.(interface{ Late() bool }); err != nil && ok && c.Late() {
		s.sub.Drop()
		s.all.log.Info("event stream dropped", "client", s.conn.RemoteAddr(), "reason", "it read nothing for "+patience.String())
	}
	return err
}

func write(w *bufio.Writer, e feed.Event) {
	if e.ID != 0 {
		fmt.Fprintf(w, "id: %d\n", e.ID)
	}
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.Type, e.Data)
}
