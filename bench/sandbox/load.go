package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// heard is what the process that asks the server found.
type heard struct {
	P50, P99 time.Duration
	Rate     float64
}

// generate asks a URL at a rate, and counts from when it should have asked; or as fast
// as 32 clients can. It is a process of its own, so that what it does is not the
// server's.
func generate(url string, rate int, length time.Duration) error {
	const clients = 32
	c := &fasthttp.Client{MaxConnsPerHost: 64, ReadTimeout: 30 * time.Second}
	var all sync.WaitGroup
	took, errs := make([][]time.Duration, clients), make([]error, clients)
	began := time.Now()
	for n := range clients {
		all.Go(func() {
			due := began
			if rate > 0 {
				due = began.Add(time.Duration(n) * time.Second / time.Duration(rate))
			}
			for time.Since(began) < length && errs[n] == nil {
				if rate == 0 {
					due = time.Now()
				} else {
					time.Sleep(time.Until(due)) // the rate is what is wanted
				}
				errs[n] = ask(c, url)
				took[n] = append(took[n], time.Since(due))
				if rate > 0 {
					due = due.Add(clients * time.Second / time.Duration(rate))
				}
			}
		})
	}
	all.Wait()
	var list []time.Duration
	for n := range clients {
		if errs[n] != nil {
			return errs[n]
		}
		list = append(list, took[n]...)
	}
	h := heard{percentile(list, 0.5), percentile(list, 0.99), float64(len(list)) / time.Since(began).Seconds()}
	return json.NewEncoder(os.Stdout).Encode(h)
}

func ask(c *fasthttp.Client, url string) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(url)
	if err := c.Do(req, resp); err != nil {
		return err
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("%s: status %d", url, resp.StatusCode())
	}
	return nil
}
