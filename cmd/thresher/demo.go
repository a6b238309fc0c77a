package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"thresher/client"
	"thresher/core"
	"thresher/core/table"
	"thresher/samples"
)

// demoCmd is the first five minutes: a server with sample data and finished jobs.
type demoCmd struct {
	serveFlags `embed:""`
}

// Run serves; once the server is up it loads the samples and runs the jobs.
func (d *demoCmd) Run(ctx context.Context, s streams, c *commands) error {
	return serve(ctx, d.serveFlags, s, c.JSON, func(ctx context.Context, url string) error {
		return (&demo{client.New(url), s}).run(ctx, url)
	})
}

type demo struct {
	client *client.Client
	streams
}

// samplesLoaded are the datasets of the demo, and their files.
var samplesLoaded = []struct{ name, file string }{
	{"penguins", "penguins.json"},
	{"gapminder", "gapminder.json"},
	{"agentfarm", "agentfarm-simulation-steps.csv"},
}

func (d *demo) run(ctx context.Context, url string) error {
	for _, sample := range samplesLoaded {
		if err := d.load(ctx, sample.name, sample.file); err != nil {
			return err
		}
	}
	seed := uint64(42)
	epidemic, err := d.job(ctx, core.Request{Routine: "models/sir", Seed: &seed, Params: json.RawMessage(`{"population": 20000}`)})
	if err != nil {
		return err
	}
	steps, err := d.job(ctx, core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": "job:" + epidemic.ID + "/steps"}})
	if err != nil {
		return err
	}
	farm, err := d.job(ctx, core.Request{Routine: "agentfarm/population", Inputs: map[string]string{"steps": "agentfarm"}})
	if err != nil {
		return err
	}
	penguins, err := d.job(ctx, core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": "penguins"}})
	if err != nil {
		return err
	}
	if err := d.findings(ctx, epidemic, steps, farm, penguins); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nOpen %s to see them, with charts. Ctrl-C ends the server.\n", url)
	return nil
}

func (d *demo) load(ctx context.Context, name, file string) error {
	f, err := samples.Files.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() // embedded
	format, err := table.FormatOf(file, "")
	if err != nil {
		return err
	}
	set, err := d.client.PutDataset(ctx, name, string(format), f)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.err, "loaded %s: %d rows\n", name, set.Tables[0].Rows)
	return nil
}

func (d *demo) job(ctx context.Context, req core.Request) (core.Job, error) {
	j, err := d.client.Submit(ctx, req, 0)
	if err != nil {
		return j, err
	}
	if j, err = follow(ctx, d.err, d.client, req.Routine, j.ID); err != nil {
		return j, err
	}
	return j, outcome(j, "job "+j.ID)
}

// result decodes a job's result.
func (d *demo) result(ctx context.Context, j core.Job, into any) error {
	return d.client.Get(ctx, "/api/v1/jobs/"+j.ID+"/result", into)
}

// findings says in a few lines what the jobs found.
func (d *demo) findings(ctx context.Context, epidemic, steps, farm, penguins core.Job) error {
	var e struct {
		Peak      int     `json:"peak_infected"`
		PeakStep  int     `json:"peak_step"`
		FinalSize float64 `json:"final_size"`
		R0        float64 `json:"r0"`
	}
	var s, p describedTable
	var f struct {
		Statistics struct {
			Total struct{ Mean, Std float64 }
			Peak  float64 `json:"peak_value"`
		} `json:"population_statistics"`
		Rates struct {
			Births float64 `json:"total_births"`
			Deaths float64 `json:"total_deaths"`
		} `json:"birth_death_rates"`
	}
	for _, r := range []struct {
		job  core.Job
		into any
	}{{epidemic, &e}, {steps, &s}, {farm, &f}, {penguins, &p}} {
		if err := d.result(ctx, r.job, r.into); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.out, "\nmodels/sir            R0 %.1f: infection peaks at %d agents in step %d and reaches %.1f %% of all\n", e.R0, e.Peak, e.PeakStep, 100*e.FinalSize)
	fmt.Fprintf(d.out, "tabular/describe      of its %d steps:", s.Rows)
	s.print(d.out, "infected")
	fmt.Fprintf(d.out, "agentfarm/population  %.1f ± %.1f agents, peak %.0f; %.0f births, %.0f deaths\n",
		f.Statistics.Total.Mean, f.Statistics.Total.Std, f.Statistics.Peak, f.Rates.Births, f.Rates.Deaths)
	fmt.Fprintf(d.out, "tabular/describe      of %d penguins:", p.Rows)
	p.print(d.out, "Body Mass (g)")
	return nil
}

// describedTable is the result of tabular/describe.
type describedTable struct {
	Rows    int
	Columns []struct {
		Name           string
		Mean, Min, Max float64
	}
}

func (t describedTable) print(w io.Writer, column string) {
	for _, c := range t.Columns {
		if c.Name == column {
			fmt.Fprintf(w, " %s from %g to %g, mean %.1f\n", c.Name, c.Min, c.Max, c.Mean)
		}
	}
}
