package guard

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Lock times, by lock name. An uncontended wait is counted as 0 s.
var (
	waitSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "thresher_lock_wait_seconds",
		Help:    "Time spent waiting for a lock.",
		Buckets: prometheus.ExponentialBuckets(1e-6, 10, 7), // 1 µs to 1 s
	}, []string{"lock"})
	holdSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "thresher_lock_hold_seconds",
		Help:    "Time a lock was held.",
		Buckets: prometheus.ExponentialBuckets(1e-6, 10, 7),
	}, []string{"lock"})
	gaveUpTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thresher_lock_gave_up_total",
		Help: "Waits for a lock that ended with their context.",
	}, []string{"lock"})
)

// Collectors returns the metrics of all locks, for a registry.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{waitSeconds, holdSeconds, gaveUpTotal}
}

// lockMetrics are the observers of one lock name, looked up once.
type lockMetrics struct {
	wait, hold prometheus.Observer
	gave       prometheus.Counter
	warned     atomic.Int64 // when a slow wait was last logged, Unix seconds
}

// warnEvery is the time between two logs of slow waits for one lock: where one
// waits long, hundreds may.
const warnEvery = 10 // seconds

// mayWarn reports whether a slow wait should be logged now.
func (m *lockMetrics) mayWarn() bool {
	now, last := time.Now().Unix(), m.warned.Load()
	return now-last >= warnEvery && m.warned.CompareAndSwap(last, now)
}

var byName sync.Map // name → *lockMetrics; names are few and constant

func metricsFor(name string) *lockMetrics {
	if m, ok := byName.Load(name); ok {
		return m.(*lockMetrics)
	}
	m, _ := byName.LoadOrStore(name, &lockMetrics{
		wait: waitSeconds.WithLabelValues(name),
		hold: holdSeconds.WithLabelValues(name),
		gave: gaveUpTotal.WithLabelValues(name),
	})
	return m.(*lockMetrics)
}

func (m *lockMetrics) waited(d time.Duration) { m.wait.Observe(d.Seconds()) }
func (m *lockMetrics) held(d time.Duration)   { m.hold.Observe(d.Seconds()) }
func (m *lockMetrics) gaveUp()                { m.gave.Inc() }
