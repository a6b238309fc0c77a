// Package compat serves AgentFarm's own routes, in its shapes, from the same
// engine. docs/agentfarm.md says where an answer must differ, and why.
package compat

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/routine"
	"thresher/server/api"
)

// Mount adds the routes.
func Mount(r fiber.Router, engine *core.Engine) {
	r.Get("/simulations", func(c *fiber.Ctx) error { return simulations(c, engine) })
	r.All("/simulations", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderAllow, fiber.MethodGet)
		return c.Status(fiber.StatusMethodNotAllowed).JSON(api.NotAllowed{Detail: "Method Not Allowed"})
	})
}

// simulations lists the newest simulations. AgentFarm lists all of them, unpaged;
// a thousand is where that stops being of use. Where there are more, a link says so.
func simulations(c *fiber.Ctx, engine *core.Engine) error {
	page, err := engine.Jobs(c.Context(), core.Filter{Kind: routine.Simulation, Limit: core.MaxPage, Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	data := make([]api.Simulation, len(page.Jobs))
	for i, j := range page.Jobs {
		data[i] = api.Simulation{ID: j.ID, Status: status(j.Phase), Created: j.Created, Ended: j.Ended}
	}
	if page.Next != "" {
		api.LinkNext(c, url.Values{"cursor": {page.Next}})
	}
	return c.JSON(api.Simulations{Status: "success", Data: data})
}

// status is AgentFarm's name of a phase.
func status(p job.Phase) string {
	if p == job.Failed {
		return "error"
	}
	return string(p)
}
