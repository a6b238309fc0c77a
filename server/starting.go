package server

import (
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/requestid"

	"thresher/core"
	"thresher/server/content"
	"thresher/server/problem"
)

// mountStarting answers while there is no engine yet: the process lives, this is how far
// it is, come back.
func (s *Server) mountStarting() {
	s.front.Use(requestid.New(), content.Finish, guardDoor, securityHeaders)
	s.front.Get("/healthz", alive)
	s.front.Get("/readyz", func(c *fiber.Ctx) error {
		return c.Status(fiber.StatusServiceUnavailable).JSON(core.Readiness{Code: "starting", Reason: "starting"})
	})
	s.front.Use(func(*fiber.Ctx) error {
		return problem.Busy("starting", startingAgain, "it reads what is in its folder: /readyz says how far it is")
	})
}

// startingAgain is after how long a client should come back to a server that starts.
const startingAgain = time.Second

func alive(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "ok"}) }
