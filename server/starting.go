package server

import (
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/requestid"

	"thresher/core"
	"thresher/server/content"
	"thresher/server/problem"
)

// reading is how far the engine is with what is on disk.
type reading struct {
	Store string `json:"store"` // the kind of record that is being read, or whose checksums are
	Read  uint64 `json:"read"`
	Of    uint64 `json:"of"`
}

// Recovering notes how far recovery is, for /readyz to say. It is a
// [core.Config.Recovering].
func (s *Server) Recovering(store string, read, of uint64) {
	s.reading.Store(&reading{store, read, of})
}

// mountStarting answers while there is no engine yet: the process lives, this is how far
// it is, come back.
func (s *Server) mountStarting() {
	s.front.Use(requestid.New(), content.Finish, guardDoor, securityHeaders)
	s.front.Get("/healthz", alive)
	s.front.Get("/readyz", func(c *fiber.Ctx) error {
		answer := struct {
			core.Readiness
			Recovery *reading `json:"recovery,omitempty"`
		}{core.Readiness{Reason: "starting"}, s.reading.Load()}
		if answer.Recovery != nil {
			answer.Reason = "recovering"
		}
		return c.Status(fiber.StatusServiceUnavailable).JSON(answer)
	})
	s.front.Use(func(*fiber.Ctx) error {
		return problem.Busy("starting", startingAgain, "it loads its plugins and reads what is in its folder: /readyz says how far it is")
	})
}

// startingAgain is after how long a client should come back to a server that starts.
const startingAgain = time.Second

func alive(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "ok"}) }
