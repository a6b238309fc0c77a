package api

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// Simulations is AgentFarm's list of simulations.
type Simulations struct {
	Status string       `json:"status" enum:"success"`
	Data   []Simulation `json:"data" nullable:"false"`
}

// Simulation is a simulation as AgentFarm lists it.
type Simulation struct {
	ID      string     `json:"sim_id"`
	Status  string     `json:"status" enum:"pending,running,paused,completed,error,stopped"`
	Created time.Time  `json:"created_at"`
	Ended   *time.Time `json:"ended_at" nullable:"true"`
}

// NotAllowed is AgentFarm's answer to a method that a route does not have.
type NotAllowed struct {
	Detail string `json:"detail" enum:"Method Not Allowed"`
}

// describeCompat adds AgentFarm's routes.
func describeCompat(doc *huma.OpenAPI) {
	d := describer{doc}
	op := d.get("/api/simulations", "list-simulations", "agentfarm", "List simulations as AgentFarm does", []*huma.Param{queryParam("cursor", huma.TypeString, "From the header Link of the answer before.")},
		answers("The newest simulations.", fiber.MIMEApplicationJSON, d.schema(reflect.TypeFor[Simulations]()), "Link"))
	op.Responses[strconv.Itoa(http.StatusMethodNotAllowed)] = answers("The answer to any other method.", fiber.MIMEApplicationJSON, d.schema(reflect.TypeFor[NotAllowed]()), "Allow")
}
