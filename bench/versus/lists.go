package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// writesASecond is how many jobs are submitted beside the lists, where any are.
const writesASecond = 5

// lists compares a page of 100 jobs with the same bytes from a bare Fiber handler,
// in turn, each side in a process of its own: first with nothing else going on, then
// while jobs are submitted and run.
func lists(ctx context.Context, dir string, each time.Duration) error {
	own := filepath.Join(dir, "lists")
	url, stop, err := startThresher(ctx, own)
	if err != nil {
		return err
	}
	defer stop()
	submit := submitter(url, false)
	for range 120 {
		if err := submit(ctx); err != nil {
			return err
		}
	}
	url += "/api/v1/jobs"
	_, page, err := fasthttp.Get(nil, url)
	if err != nil {
		return err
	}
	bare, stopBare, err := startBare(ctx, own, page)
	if err != nil {
		return err
	}
	defer stopBare()
	fmt.Printf("\nGET /api/v1/jobs, a page of %d kB, 16 clients:\n", len(page)/1000)
	if err := inTurn("nothing else", url, bare, len(page), each); err != nil {
		return err
	}
	beside, endWrites := context.WithCancel(ctx)
	var writes sync.WaitGroup
	var writesErr error
	writes.Go(func() { writesErr = steadily(beside, submit) })
	err = inTurn(fmt.Sprintf("%d jobs/s beside", writesASecond), url, bare, len(page), each)
	endWrites()
	writes.Wait()
	if err == nil {
		err = writesErr
	}
	return err
}

// inTurn measures both sides again and again, one after the other.
func inTurn(what, ours, bare string, size int, each time.Duration) error {
	sides, rates := []string{ours, bare}, []float64{0, 0}
	for range rounds {
		for i, url := range sides {
			_, rate, err := closedLoop(context.Background(), 16, each/2, func(context.Context) error { return get(url, size) })
			if err != nil {
				return err
			}
			rates[i] += rate / rounds
		}
	}
	fmt.Printf("  %-16s %8.0f/s; the same bytes from a bare Fiber handler %8.0f/s; %.2f of it\n", what, rates[0], rates[1], rates[0]/rates[1])
	return nil
}

// steadily submits jobs until ctx ends.
func steadily(ctx context.Context, submit func(context.Context) error) error {
	tick := time.NewTicker(time.Second / writesASecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := submit(context.WithoutCancel(ctx)); err != nil {
				return err
			}
		}
	}
}

// pool is for as many connections as there are clients.
var pool = fasthttp.Client{MaxConnsPerHost: 64}

// get reads a page of about a size: jobs differ by some bytes.
func get(url string, size int) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(url)
	if err := pool.Do(req, resp); err != nil {
		return err
	}
	body := resp.Body()
	if off := len(body) - size; resp.StatusCode() != fiber.StatusOK || off > size/20 || off < -size/20 || !bytes.HasPrefix(body, []byte(`{"jobs":[`)) {
		return fmt.Errorf("%s: status %d, %d bytes", url, resp.StatusCode(), len(body))
	}
	return nil
}

// startBare runs this program again, as the bare handler.
func startBare(ctx context.Context, dir string, page []byte) (url string, stop func(), err error) {
	file := filepath.Join(dir, "page.json")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		return "", nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	if stop, err = startServer(exe, nil, "-bare", address, "-page", file); err != nil {
		return "", nil, err
	}
	url = "http://" + address + "/jobs"
	err = until(ctx, func() error {
		resp, err := http.Get(url)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	})
	if err != nil {
		stop()
	}
	return url, stop, err
}

// serveBare answers with a file's bytes until ctx ends.
func serveBare(ctx context.Context, address, file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/jobs", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(page)
	})
	defer context.AfterFunc(ctx, func() { _ = app.Shutdown() })() // it ends with the process
	return app.Listen(address)
}
