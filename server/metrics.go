package server

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"thresher/core"
	"thresher/core/guard"
	"thresher/core/job"
	"thresher/server/problem"
)

// metrics are what /metrics shows.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(engine *core.Engine) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "thresher_http_request_seconds",
			Help:    "Time to answer a request, without the streaming of its body.",
			Buckets: prometheus.ExponentialBuckets(1e-4, 4, 9), // 0.1 ms to 6.5 s
		}, []string{"method", "route", "status"}),
	}
	m.registry.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), engineMetrics{engine})
	m.registry.MustRegister(guard.Collectors()...)
	return m
}

// engineMetrics reads the engine when it is asked.
type engineMetrics struct{ engine *core.Engine }

var (
	jobsDesc    = prometheus.NewDesc("thresher_jobs", "Jobs by phase.", []string{"phase"}, nil)
	slotsDesc   = prometheus.NewDesc("thresher_slots", "Jobs that may run at once.", nil, nil)
	runningDesc = prometheus.NewDesc("thresher_slots_in_use", "Jobs that hold a slot.", nil, nil)
	waitingDesc = prometheus.NewDesc("thresher_jobs_waiting", "Jobs that wait for a slot or for another job.", nil, nil)
	memoryDesc  = prometheus.NewDesc("thresher_memory_reserved_bytes", "Memory that jobs reserve.", nil, nil)
	prunedDesc  = prometheus.NewDesc("thresher_jobs_pruned_total", "Jobs deleted by retention.", nil, nil)
	subsDesc    = prometheus.NewDesc("thresher_subscribers", "Event streams open.", nil, nil)
	droppedDesc = prometheus.NewDesc("thresher_subscribers_dropped_total", "Event streams ended because their client was slow.", nil, nil)
	jumpsDesc   = prometheus.NewDesc("thresher_clock_jumps_total", "Jumps of the wall clock against the monotonic one.", nil, nil)
	holdsDesc   = prometheus.NewDesc("thresher_clock_holds", "1 while a jump of the clock keeps jobs from being deleted for their age.", nil, nil)
	freeDesc    = prometheus.NewDesc("thresher_disk_free_bytes", "Free space on the data folder's disk.", nil, nil)
	reserveDesc = prometheus.NewDesc("thresher_disk_reserve_bytes", "Free space below which new work is refused.", nil, nil)
	damagedDesc = prometheus.NewDesc("thresher_blobs_damaged", "Stored files that are known not to match their digest.", nil, nil)
	brokenDesc  = prometheus.NewDesc("thresher_records_damaged", "Records and index entries that the last check of all of them found damaged.", nil, nil)
	scrubDesc   = prometheus.NewDesc("thresher_scrub_fraction", "How much of the present pass over all stored files is done, from 0 to 1.", nil, nil)
	readDesc    = prometheus.NewDesc("thresher_scrub_pass_bytes", "Bytes checked in the present pass over all stored files.", nil, nil)
	passedDesc  = prometheus.NewDesc("thresher_scrub_finished_timestamp_seconds", "When the last pass over all stored files ended; 0: none has.", nil, nil)
	inconsDesc  = prometheus.NewDesc("thresher_inconsistencies_total", "Breaches that audits found.", nil, nil)
)

// Describe implements prometheus.Collector.
func (engineMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, slotsDesc, runningDesc, waitingDesc, memoryDesc, prunedDesc, subsDesc, droppedDesc, inconsDesc, jumpsDesc, holdsDesc, freeDesc, reserveDesc, damagedDesc, brokenDesc, scrubDesc, readDesc, passedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m engineMetrics) Collect(ch chan<- prometheus.Metric) {
	s, err := m.engine.Stats(context.Background())
	if err != nil {
		ch <- prometheus.NewInvalidMetric(jobsDesc, err)
		return
	}
	for _, p := range job.Phases {
		ch <- prometheus.MustNewConstMetric(jobsDesc, prometheus.GaugeValue, float64(s.Jobs[p]), string(p))
	}
	ch <- prometheus.MustNewConstMetric(slotsDesc, prometheus.GaugeValue, float64(s.Slots))
	ch <- prometheus.MustNewConstMetric(runningDesc, prometheus.GaugeValue, float64(s.Running))
	ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(s.Waiting))
	ch <- prometheus.MustNewConstMetric(memoryDesc, prometheus.GaugeValue, float64(s.MemoryBytes))
	ch <- prometheus.MustNewConstMetric(prunedDesc, prometheus.CounterValue, float64(s.Pruned))
	ch <- prometheus.MustNewConstMetric(subsDesc, prometheus.GaugeValue, float64(s.Subscribers))
	ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(s.DroppedSubscribers))
	ch <- prometheus.MustNewConstMetric(jumpsDesc, prometheus.CounterValue, float64(s.ClockJumps))
	holds := 0.0
	if s.ClockHolds {
		holds = 1
	}
	ch <- prometheus.MustNewConstMetric(holdsDesc, prometheus.GaugeValue, holds)
	ch <- prometheus.MustNewConstMetric(freeDesc, prometheus.GaugeValue, float64(s.DiskFree))
	ch <- prometheus.MustNewConstMetric(reserveDesc, prometheus.GaugeValue, float64(s.DiskReserve))
	ch <- prometheus.MustNewConstMetric(damagedDesc, prometheus.GaugeValue, float64(s.BlobsDamaged))
	ch <- prometheus.MustNewConstMetric(brokenDesc, prometheus.GaugeValue, float64(s.RecordsDamaged))
	ch <- prometheus.MustNewConstMetric(scrubDesc, prometheus.GaugeValue, s.Scrub.Fraction)
	ch <- prometheus.MustNewConstMetric(readDesc, prometheus.GaugeValue, float64(s.Scrub.Bytes))
	passed := 0.0
	if s.Scrub.Finished != nil {
		passed = float64(s.Scrub.Finished.Unix())
	}
	ch <- prometheus.MustNewConstMetric(passedDesc, prometheus.GaugeValue, passed)
	ch <- prometheus.MustNewConstMetric(inconsDesc, prometheus.CounterValue, float64(s.Inconsistencies))
}

// observe measures and logs each request. Routes are patterns, so that their
// number is bounded.
func observe(m *metrics, log *slog.Logger) fiber.Handler {
	return func(c *fiber.Ctx) error {
		start := time.Now()
		err := c.Next()
		status := c.Response().StatusCode()
		if err != nil {
			status = problem.Of(err).Status
		}
		route := c.Route().Path
		if status == fiber.StatusNotFound && route == "/" {
			route = "none"
		}
		m.requests.WithLabelValues(c.Method(), route, strconv.Itoa(status)).Observe(time.Since(start).Seconds())
		log.Debug("request", "method", c.Method(), "path", c.Path(), "status", status, "took", time.Since(start))
		return err
	}
}

// mountHealth adds what operators and their machines ask.
func mountHealth(app *fiber.App, engine *core.Engine, m *metrics) {
	app.Get("/healthz", alive)
	app.Get("/readyz", func(c *fiber.Ctx) error {
		r := engine.Ready()
		if !r.Ready {
			c.Status(fiber.StatusServiceUnavailable)
		}
		return c.JSON(r)
	})
	app.Get("/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})))
}
