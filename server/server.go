// Package server is the HTTP face of the engine: a Fiber app that wires the
// routes, guards the door and ends cleanly. What it serves is in its packages: api
// (JSON documents), content (large bodies), live (streams), compat (AgentFarm's
// routes), ui (the page), problem (errors).
package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/gofiber/fiber/v2/middleware/requestid"
	"github.com/valyala/fasthttp"

	"thresher/core"
	"thresher/plugins/registry"
	"thresher/server/api"
	"thresher/server/compat"
	"thresher/server/content"
	"thresher/server/live"
	"thresher/server/problem"
	"thresher/server/ui"
)

// Config says how a server works. The zero value works.
type Config struct {
	Version   string // of the program
	MaxUpload int64  // bytes of a dataset's upload; default 4 GiB
	// HeadTime is for a request's head and a JSON body; default 30 s. An upload
	// extends it while it comes.
	HeadTime time.Duration
	Log      *slog.Logger // default slog.Default()
}

// Server answers HTTP requests.
type Server struct {
	cfg    Config
	front  *fiber.App                              // listens, and answers while there is no engine
	behind atomic.Pointer[fasthttp.RequestHandler] // answers once there is one

	recovery atomic.Pointer[core.Recovery] // how far the engine's start is; nil: nothing is known
}

const (
	idleTime   = time.Minute // between two requests on a connection
	headerSize = 16 << 10    // bytes
	bodySize   = 1 << 20     // bytes read before a handler runs; the rest streams
	mostConns  = 16384       // connections at once; one more is refused
)

// New returns a server of the engine, and of its registry if it has one.
func New(cfg Config, engine *core.Engine, plugins *registry.Registry) *Server {
	s := Starting(cfg)
	s.Open(engine, plugins)
	return s
}

// Starting returns a server that can listen already, and says how far the engine's
// recovery is until it is opened.
func Starting(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	cfg.MaxUpload = cmp.Or(cfg.MaxUpload, 4<<30)
	cfg.HeadTime = cmp.Or(cfg.HeadTime, 30*time.Second)
	s := &Server{cfg: cfg, front: newApp(cfg)}
	s.mountStarting()
	starting := s.front.Handler()
	s.front.Server().Handler = func(c *fasthttp.RequestCtx) {
		if refuseHTTP2(c) || s.refuseMethod(c) {
			return
		}
		if behind := s.behind.Load(); behind != nil {
			(*behind)(c)
			return
		}
		starting(c)
	}
	return s
}

// Open lets the engine answer from now on. Without a registry nothing can be uploaded.
func (s *Server) Open(engine *core.Engine, plugins *registry.Registry) {
	app := newApp(s.cfg)
	metrics := newMetrics(engine)
	app.Use(answerHead, decodePath)
	app.Use(requestid.New(), observe(metrics, s.cfg.Log), recover.New(), content.Finish, guardDoor, securityHeaders, refuseBadPath)
	api.Mount(app, engine, plugins, s.cfg.Version, s.cfg.Log)
	mountHealth(app, engine, metrics)
	v1 := app.Group(api.Prefix)
	live.Mount(v1, engine, plugins, s.cfg.Log)
	content.Mount(v1, engine, plugins, s.cfg.MaxUpload, s.cfg.Log)
	compat.Mount(app.Group("/api"), engine)
	ui.Mount(app)
	handler := app.Handler()
	s.behind.Store(&handler)
}

func newApp(cfg Config) *fiber.App {
	return fiber.New(fiber.Config{
		AppName:               "Thresher",
		DisableStartupMessage: true,
		Immutable:             true, // strings of a request outlive it
		StreamRequestBody:     true,
		// A form is read as it comes too: it may have a module in it.
		DisablePreParseMultipartForm: true,
		BodyLimit:                    bodySize,
		ReadTimeout:                  cfg.HeadTime,
		IdleTimeout:                  idleTime,
		Concurrency:                  mostConns,
		ReadBufferSize:               headerSize,
		ErrorHandler:                 problem.Handler(cfg.Log),
	})
}

// Serve answers requests on a listener until Shutdown.
func (s *Server) Serve(l net.Listener) error { return s.front.Listener(patientListener{l}) }

// Shutdown stops listening, and waits for requests under way until ctx ends. Close
// the engine first: that ends the streams.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.front.ShutdownWithContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Log.Warn("requests cut off at shutdown")
		return nil
	}
	return err
}
