package main

import (
	"context"
	"fmt"
	"time"

	"thresher/client"
	"thresher/core"
)

// clockCmd shows what the server knows of its clock.
type clockCmd struct {
	Do string `arg:"" optional:"" name:"action" enum:"show,accept" default:"show" help:"show: list the jumps that ages leave out; accept: take the clock as right, so that ages include them."`
}

// Run shows, or accepts and shows.
func (k *clockCmd) Run(ctx context.Context, s streams, c *commands) error {
	cl := client.New(c.Server)
	var status core.ClockStatus
	var err error
	if k.Do == "accept" {
		err = cl.Post(ctx, "/api/v1/clock/accept", nil, &status)
	} else {
		err = cl.Get(ctx, "/api/v1/clock", &status)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, status)
	}
	fmt.Fprintf(s.out, "now %s\n", status.Now.Format(time.RFC3339))
	if len(status.Jumps) == 0 {
		fmt.Fprintln(s.out, "no jumps: ages follow the clock")
		return nil
	}
	return list(s.out, "MOVED BY\tFROM\tTO\tWHILE", func(line func(string, ...any)) {
		for _, j := range status.Jumps {
			while := "stopped"
			if j.Running {
				while = "running"
			}
			moved := time.Duration(j.Seconds * float64(time.Second)).Round(time.Second)
			line("%v\t%s\t%s\t%s", moved, j.From.Format(time.RFC3339), j.To.Format(time.RFC3339), while)
		}
	})
}
