// Package server is the HTTP face of the engine: a Fiber app that wires the
// routes, guards the door and ends cleanly. What it serves is in its packages: api
// (JSON documents), content (large bodies), live (streams), compat (AgentFarm's
// routes), ui (the page), problem (errors).
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/gofiber/fiber/v2/middleware/requestid"

	"thresher/core"
	"thresher/server/api"
	"thresher/server/compat"
	"thresher/server/content"
	"thresher/server/live"
	"thresher/server/problem"
	"thresher/server/ui"
)

// Config says how a server works. The zero value works.
type Config struct {
	Version   string       // of the program
	MaxUpload int64        // bytes of a dataset's upload; default 4 GiB
	Log       *slog.Logger // default slog.Default()
}

// Server answers HTTP requests.
type Server struct {
	app *fiber.App
	log *slog.Logger
}

const (
	headerTime = 30 * time.Second // for a request's head and a JSON body; an upload extends it
	idleTime   = time.Minute      // between two requests on a connection
	headerSize = 16 << 10         // bytes
	bodySize   = 1 << 20          // bytes read before a handler runs; the rest streams
)

// New returns a server of the engine.
func New(cfg Config, engine *core.Engine) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 4 << 30
	}
	app := fiber.New(fiber.Config{
		AppName:               "Thresher",
		DisableStartupMessage: true,
		Immutable:             true, // strings of a request outlive it
		StreamRequestBody:     true,
		BodyLimit:             bodySize,
		ReadTimeout:           headerTime,
		IdleTimeout:           idleTime,
		ReadBufferSize:        headerSize,
		ErrorHandler:          problem.Handler(cfg.Log),
	})
	metrics := newMetrics(engine)
	app.Use(answerHead)
	app.Use(requestid.New(), observe(metrics, cfg.Log), recover.New(), content.Finish, guardDoor, securityHeaders)
	mountHealth(app, engine, metrics)
	v1 := app.Group(api.Prefix)
	live.Mount(v1, engine)
	content.Mount(v1, engine, cfg.MaxUpload, cfg.Log)
	compat.Mount(app.Group("/api"), engine)
	api.Mount(app, engine, cfg.Version, cfg.Log)
	ui.Mount(app)
	return &Server{app: app, log: cfg.Log}
}

// Serve answers requests on a listener until Shutdown.
func (s *Server) Serve(l net.Listener) error { return s.app.Listener(patientListener{l}) }

// Shutdown stops listening, and waits for requests under way until ctx ends. Close
// the engine first: that ends the streams.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.app.ShutdownWithContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests cut off at shutdown")
		return nil
	}
	return err
}
