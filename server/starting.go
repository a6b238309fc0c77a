package server

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/requestid"

	"thresher/core"
	"thresher/server/api"
	"thresher/server/content"
	"thresher/server/problem"
)

// Recovering notes how far the engine's start is, for /readyz to say. It is a
// [core.Config.Recovering].
func (s *Server) Recovering(kind string, read, of uint64) {
	s.recovery.Store(&core.Recovery{Kind: kind, Read: read, Of: of})
}

// readiness is that of a server without an engine.
func (s *Server) readiness() core.Readiness {
	r := s.recovery.Load()
	if r == nil {
		return core.Readiness{Code: "starting", Reason: "starting"}
	}
	return core.Readiness{Code: "recovering", Reason: fmt.Sprintf("indexing %s: %d of %d records read", r.Kind, r.Read, r.Of), Recovery: r}
}

// mountStarting answers while there is no engine yet: the process lives, this is how far
// it is, come back.
func (s *Server) mountStarting() {
	s.front.Use(decodePath, requestid.New(), content.Finish, guardDoor, securityHeaders, refuseBadPath)
	s.front.Get("/healthz", alive)
	s.front.Get("/readyz", func(c *fiber.Ctx) error {
		return c.Status(fiber.StatusServiceUnavailable).JSON(s.readiness())
	})
	s.front.Use(func(*fiber.Ctx) error {
		return problem.Busy("starting", startingAgain, "it reads what is in its folder: /readyz says how far it is")
	})
}

// startingAgain is after how long a client should come back to a server that starts.
const startingAgain = time.Second

func alive(c *fiber.Ctx) error { return c.JSON(api.Health{Status: "ok"}) }
