// Package compat serves AgentFarm's own routes, in its shapes, from the same
// engine. docs/agentfarm.md says where an answer must differ, and why.
package compat

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
)

// Mount adds the routes.
func Mount(r fiber.Router, engine *core.Engine) {
	r.Get("/simulations", func(c *fiber.Ctx) error { return simulations(c, engine) })
	r.All("/simulations", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderAllow, fiber.MethodGet)
		return c.Status(fiber.StatusMethodNotAllowed).JSON(fiber.Map{"detail": "Method Not Allowed"})
	})
}

// simulation is a simulation as AgentFarm lists it.
type simulation struct {
	ID      string     `json:"sim_id"`
	Status  string     `json:"status"`
	Created time.Time  `json:"created_at"`
	Ended   *time.Time `json:"ended_at"`
}

// simulations lists the newest simulations. AgentFarm lists all of them, unpaged;
// a thousand is where that stops being of use.
func simulations(c *fiber.Ctx, engine *core.Engine) error {
	page, err := engine.Jobs(c.Context(), core.Filter{Kind: routine.Simulation, Limit: core.MaxPage})
	if err != nil {
		return err
	}
	data := make([]simulation, len(page.Jobs))
	for i, j := range page.Jobs {
		data[i] = simulation{j.ID, status(j.Phase), j.Created, j.Ended}
	}
	return c.JSON(fiber.Map{"status": "success", "data": data})
}

// status is AgentFarm's name of a phase.
func status(p job.Phase) string {
	if p == job.Failed {
		return "error"
	}
	return string(p)
}
