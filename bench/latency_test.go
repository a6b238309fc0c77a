// Package bench measures what users feel, over real HTTP with every acknowledged
// write on disk. It is a module of its own, so that what it compares with stays
// out of the product.
package bench

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"thresher/core"
	"thresher/server/servertest"
)

const guest = "thresher/plugins/hostile/guest"

// BenchmarkSubmitToResult is submit → result of an empty routine, one client.
func BenchmarkSubmitToResult(b *testing.B) {
	s := servertest.Start(b, core.Limits{}, guest)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		j, err := s.Client.Submit(b.Context(), core.Request{Routine: "hostile/nothing", Cache: "off"}, time.Minute)
		if err != nil || j.Phase != "completed" {
			b.Fatalf("%s: %v", j.Phase, err)
		}
		took = append(took, time.Since(start))
	}
	percentiles(b, took)
}

// BenchmarkHTTP is the interface alone: reading one job.
func BenchmarkHTTP(b *testing.B) {
	s := servertest.Start(b, core.Limits{}, guest)
	j, err := s.Client.Submit(b.Context(), core.Request{Routine: "hostile/nothing"}, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		resp, err := http.Get(fmt.Sprint(s.URL, "/api/v1/jobs/", j.ID))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
		took = append(took, time.Since(start))
	}
	percentiles(b, took)
}

// BenchmarkRefused is submit of a job that is refused: HTTP and validation,
// without ledger, dispatch and sandbox.
func BenchmarkRefused(b *testing.B) {
	s := servertest.Start(b, core.Limits{}, guest)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := s.Client.Submit(b.Context(), core.Request{Routine: "hostile/none"}, 0); err == nil {
			b.Fatal("accepted")
		}
		took = append(took, time.Since(start))
	}
	percentiles(b, took)
}

func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms-p50")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "ms-p99")
}
