package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// rounds is how often two things are measured in turn, so that what else the
// machine does falls on both.
const rounds = 4

// limitsCost compares jobs with and without limits on one server, in turn.
func limitsCost(ctx context.Context, dir string, each time.Duration) error {
	url, stop, err := startThresher(ctx, filepath.Join(dir, "limits-cost"))
	if err != nil {
		return err
	}
	defer stop()
	plain, limited := 0.0, 0.0
	for range rounds {
		if err := patchLimits(ctx, url, `{"tenant_slots":{},"plugin_slots":{},"node_slots":{},"locks":{},"tenant_queue_cap":{},"tenant_weights":{},"retention":{"*":{"age_seconds":86400}}}`); err != nil {
			return err
		}
		_, rate, err := closedLoop(ctx, 16, each/2, submitter(url, false))
		if err != nil {
			return err
		}
		plain += rate / rounds
		if err := patchLimits(ctx, url, everyLimit); err != nil {
			return err
		}
		_, rate, err = closedLoop(ctx, 16, each/2, submitter(url, true))
		if err != nil {
			return err
		}
		limited += rate / rounds
	}
	fmt.Printf("\nevery limit on: %.0f jobs/s instead of %.0f with 16 clients, measured in turn: %+.1f %%\n", limited, plain, 100*(limited/plain-1))
	return nil
}

// lists compares a page of 100 jobs with the same bytes from a bare Fiber handler.
func lists(ctx context.Context, dir string, each time.Duration) error {
	url, stop, err := startThresher(ctx, filepath.Join(dir, "lists"))
	if err != nil {
		return err
	}
	defer stop()
	do := submitter(url, false)
	for range 120 {
		if err := do(ctx); err != nil {
			return err
		}
	}
	_, page, err := fasthttp.Get(nil, url+"/api/v1/jobs")
	if err != nil {
		return err
	}
	bare := fiber.New(fiber.Config{DisableStartupMessage: true})
	bare.Get("/jobs", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(page)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = bare.Listener(l) }()
	defer func() { _ = bare.Shutdown() }()
	ours, theirs := 0.0, 0.0
	for range rounds {
		for _, side := range []struct {
			url string
			sum *float64
		}{{url + "/api/v1/jobs", &ours}, {"http://" + l.Addr().String() + "/jobs", &theirs}} {
			_, rate, err := closedLoop(ctx, 16, each/2, func(context.Context) error { return get(side.url, len(page)) })
			if err != nil {
				return err
			}
			*side.sum += rate / rounds
		}
	}
	fmt.Printf("GET /api/v1/jobs, %d kB: %.0f/s; the same bytes from a bare Fiber handler: %.0f/s; %.2f of it\n", len(page)/1000, ours, theirs, ours/theirs)
	return nil
}

// pool is for as many connections as there are clients.
var pool = fasthttp.Client{MaxConnsPerHost: 64}

func get(url string, size int) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(url)
	if err := pool.Do(req, resp); err != nil {
		return err
	}
	if resp.StatusCode() != fiber.StatusOK || len(resp.Body()) != size {
		return fmt.Errorf("%s: status %d, %d bytes", url, resp.StatusCode(), len(resp.Body()))
	}
	return nil
}
