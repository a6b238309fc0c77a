package core

import (
	"cmp"
	"context"
	"maps"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"thresher/core/dispatch"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/limit"
	"thresher/core/routine"
)

// Limits are what an operator may change while the server runs. Maps are by name:
// the key "*" stands for every name without an entry of its own; without it there
// is no limit.
type Limits struct {
	Slots       int            `json:"slots"`        // jobs running at once
	TenantSlots map[string]int `json:"tenant_slots"` // of one tenant
	PluginSlots map[string]int `json:"plugin_slots"` // of one plugin
	NodeSlots   map[string]int `json:"node_slots"`   // on one node
	Locks       map[string]int `json:"locks"`        // holders of a named lock; a job's own limit counts too
	MemoryBytes int64          `json:"memory_bytes"` // that jobs reserve together

	QueueCap       int            `json:"queue_cap"`        // jobs waiting
	TenantQueueCap map[string]int `json:"tenant_queue_cap"` // of one tenant
	PluginQueueCap map[string]int `json:"plugin_queue_cap"` // of one plugin

	TenantWeights   map[string]float64 `json:"tenant_weights"`   // of its share of slot-seconds; default 1
	AgeingSeconds   float64            `json:"ageing_seconds"`   // waiting that raises a priority by one class
	PatienceSeconds float64            `json:"patience_seconds"` // waiting after which locks and memory are kept for a job

	CacheSeconds float64 `json:"cache_seconds"` // age of a result that is still given without a run; 0: as long as it is kept

	Retention map[string]Retention `json:"retention"` // of a tenant's jobs that have ended
	Job       job.Limits           `json:"job"`       // of a job that names none
	MaxJob    job.Limits           `json:"max_job"`   // the most that a job may name
}

// DefaultLimits are the limits of a new server: as many slots as cores, and three
// quarters of the memory that it may use.
func DefaultLimits() Limits {
	memory, _ := MachineMemory() // who starts a server is told
	return defaultLimits(memory)
}

func defaultLimits(memory int64) Limits {
	budget := memory / 4 * 3
	return Limits{
		Slots:           runtime.GOMAXPROCS(0),
		TenantSlots:     map[string]int{},
		PluginSlots:     map[string]int{},
		NodeSlots:       map[string]int{},
		Locks:           map[string]int{},
		MemoryBytes:     budget,
		QueueCap:        10_000,
		TenantQueueCap:  map[string]int{},
		PluginQueueCap:  map[string]int{},
		TenantWeights:   map[string]float64{},
		AgeingSeconds:   600,
		PatienceSeconds: 60,
		Retention:       map[string]Retention{limit.Any: {AgeSeconds: 24 * 3600, Count: 10_000}},
		Job: job.Limits{
			MemoryBytes: min(256<<20, budget/wasmPage*wasmPage),
			WallSeconds: 3600,
			CPUSeconds:  3600,
			OutputBytes: 256 << 20,
			Artifacts:   1024,
			LogBytes:    1 << 20,
		},
		MaxJob: job.Limits{
			MemoryBytes: 4 << 30, // all that 32-bit WebAssembly can address
			WallSeconds: 7 * 24 * 3600,
			CPUSeconds:  7 * 24 * 3600,
			OutputBytes: 4 << 30,
			Artifacts:   10_000,
			LogBytes:    16 << 20,
		},
	}
}

// withDefaults fills in what is 0 or missing, on a machine of so much memory.
func (l Limits) withDefaults(memory int64) Limits {
	d := defaultLimits(memory)
	l.Slots = cmp.Or(l.Slots, d.Slots)
	l.MemoryBytes = cmp.Or(l.MemoryBytes, d.MemoryBytes)
	l.QueueCap = cmp.Or(l.QueueCap, d.QueueCap)
	l.AgeingSeconds = cmp.Or(l.AgeingSeconds, d.AgeingSeconds)
	l.PatienceSeconds = cmp.Or(l.PatienceSeconds, d.PatienceSeconds)
	if l.Retention == nil {
		l.Retention = d.Retention
	}
	l = l.withMaps()
	l.Job = orDefault(l.Job, d.Job)
	l.MaxJob = orDefault(l.MaxJob, d.MaxJob)
	return l
}

// withMaps makes a map of every one that is missing.
func (l Limits) withMaps() Limits {
	for _, m := range []*map[string]int{&l.TenantSlots, &l.PluginSlots, &l.NodeSlots, &l.Locks, &l.TenantQueueCap, &l.PluginQueueCap} {
		if *m == nil {
			*m = map[string]int{}
		}
	}
	if l.TenantWeights == nil {
		l.TenantWeights = map[string]float64{}
	}
	if l.Retention == nil {
		l.Retention = map[string]Retention{}
	}
	return l
}

// clone copies what is shared by copies of l.
func (l Limits) clone() Limits {
	for _, m := range []*map[string]int{&l.TenantSlots, &l.PluginSlots, &l.NodeSlots, &l.Locks, &l.TenantQueueCap, &l.PluginQueueCap} {
		*m = maps.Clone(*m)
	}
	l.TenantWeights = maps.Clone(l.TenantWeights)
	l.Retention = maps.Clone(l.Retention)
	for tenant, r := range l.Retention {
		r.Rules = slices.Clone(r.Rules)
		l.Retention[tenant] = r
	}
	return l
}

// orDefault fills in the fields that are 0.
func orDefault(l, d job.Limits) job.Limits {
	l.MemoryBytes = cmp.Or(l.MemoryBytes, d.MemoryBytes)
	l.WallSeconds = cmp.Or(l.WallSeconds, d.WallSeconds)
	l.CPUSeconds = cmp.Or(l.CPUSeconds, d.CPUSeconds)
	l.Gas = cmp.Or(l.Gas, d.Gas)
	l.OutputBytes = cmp.Or(l.OutputBytes, d.OutputBytes)
	l.Artifacts = cmp.Or(l.Artifacts, d.Artifacts)
	l.LogBytes = cmp.Or(l.LogBytes, d.LogBytes)
	return l
}

// Most that any limit can be set to.
const (
	maxSlots    = 4096
	maxQueueCap = 10_000_000
	maxSeconds  = 10 * 365 * 24 * 3600
	maxWeight   = 1e6
)

// maxEntries is the max number of names in each map of limits: as many as the record of
// the limits has room for.
const maxEntries = 512

// checkSizes refuses maps with too many entries. "*" has the limit of all that have no
// entry, so a map names exceptions only.
func (l Limits) checkSizes() error {
	rules := 0
	for _, r := range l.Retention {
		rules += len(r.Rules)
	}
	if rules > maxRules {
		return invalid("retention", "%d rules of all tenants: the limit is %d", rules, maxRules)
	}
	for field, n := range map[string]int{
		"tenant_slots": len(l.TenantSlots), "plugin_slots": len(l.PluginSlots), "node_slots": len(l.NodeSlots),
		"locks": len(l.Locks), "tenant_queue_cap": len(l.TenantQueueCap), "plugin_queue_cap": len(l.PluginQueueCap),
		"tenant_weights": len(l.TenantWeights), "retention": len(l.Retention),
	} {
		if n > maxEntries {
			return invalid(field, "%d entries: the limit is %d; let %q stand for those that are alike", n, maxEntries, limit.Any)
		}
	}
	return nil
}

func (l Limits) check() error {
	if l.Slots < 1 || l.Slots > maxSlots {
		return invalid("slots", "%d: want 1 to %d", l.Slots, maxSlots)
	}
	if l.QueueCap < 1 || l.QueueCap > maxQueueCap {
		return invalid("queue_cap", "%d: want 1 to %d", l.QueueCap, maxQueueCap)
	}
	if err := l.checkSizes(); err != nil {
		return err
	}
	for field, m := range map[string]map[string]int{
		"tenant_slots": l.TenantSlots, "plugin_slots": l.PluginSlots, "node_slots": l.NodeSlots, "locks": l.Locks,
		"tenant_queue_cap": l.TenantQueueCap, "plugin_queue_cap": l.PluginQueueCap,
	} {
		most := maxSlots
		if strings.HasSuffix(field, "_queue_cap") {
			most = maxQueueCap
		}
		for name, n := range m {
			if n < 0 || n > most {
				return invalid(field+"."+name, "%d: want 0 to %d", n, most)
			}
			if !fitsName(field, name) {
				return invalid(field, "%q: nothing can have that name", name)
			}
		}
	}
	for name, w := range l.TenantWeights {
		if !fitsName("tenant_weights", name) {
			return invalid("tenant_weights", "%q: nothing can have that name", name)
		}
		if !(w > 0 && w <= maxWeight) { // so that NaN is refused
			return invalid("tenant_weights."+name, "%s: want more than 0 and at most %s", plain(w), plain(maxWeight))
		}
	}
	for field, seconds := range map[string]float64{"ageing_seconds": l.AgeingSeconds, "patience_seconds": l.PatienceSeconds} {
		if !(seconds > 0 && seconds <= maxSeconds) {
			return invalid(field, "%s: want more than 0 and at most %d", plain(seconds), maxSeconds)
		}
	}
	if !(l.CacheSeconds >= 0 && l.CacheSeconds <= maxSeconds) {
		return invalid("cache_seconds", "%s: want 0, which is no bound, to %d", plain(l.CacheSeconds), maxSeconds)
	}
	for tenant, r := range l.Retention {
		if !fitsName("retention", tenant) {
			return invalid("retention", "%q: nothing can have that name", tenant)
		}
		if err := r.check("retention." + tenant); err != nil {
			return err
		}
	}
	if err := checkJobLimits("max_job", l.MaxJob, hardest()); err != nil {
		return err
	}
	if err := checkJobLimits("job", l.Job, l.MaxJob); err != nil {
		return err
	}
	for field, of := range map[string]job.Limits{"job": l.Job, "max_job": l.MaxJob} {
		if err := checkIsSet(field, of); err != nil {
			return err
		}
	}
	if l.MemoryBytes < l.Job.MemoryBytes {
		return invalid("memory_bytes", "%d: want at least job.memory_bytes, %d, or no job could run", l.MemoryBytes, l.Job.MemoryBytes)
	}
	return nil
}

// fitsName reports whether there can be something of a name in a map of limits, so
// that one that was misspelt is not taken for a limit.
func fitsName(field, name string) bool {
	switch {
	case name == limit.Any:
		return true
	case field == "locks":
		return lockName.MatchString(name)
	case field == "node_slots":
		return nodeName.MatchString(name)
	}
	return routine.ValidName(name)
}

// wasmPage is what memory comes in.
const wasmPage = 64 << 10

// nodeName is what names of nodes are like: those of hosts are.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func hardest() job.Limits {
	return job.Limits{
		MemoryBytes: 4 << 30, WallSeconds: 365 * 24 * 3600, CPUSeconds: 365 * 24 * 3600, Gas: math.MaxInt64,
		OutputBytes: 1 << 40, Artifacts: 1_000_000, LogBytes: 64 << 20,
	}
}

// plain is a number without an exponent.
func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func checkJobLimits(field string, l, most job.Limits) error {
	if l.MemoryBytes < wasmPage || l.MemoryBytes > most.MemoryBytes {
		return invalid(field+".memory_bytes", "%d: want %d to %d", l.MemoryBytes, wasmPage, most.MemoryBytes)
	}
	if !(l.WallSeconds > 0 && l.WallSeconds <= most.WallSeconds) { // so that NaN is refused
		return invalid(field+".wall_seconds", "%s: want more than 0 and at most %s", plain(l.WallSeconds), plain(most.WallSeconds))
	}
	if l.OutputBytes < 1 || l.OutputBytes > most.OutputBytes {
		return invalid(field+".output_bytes", "%d: want 1 to %d", l.OutputBytes, most.OutputBytes)
	}
	if l.LogBytes < 1 || l.LogBytes > most.LogBytes {
		return invalid(field+".log_bytes", "%d: want 1 to %d", l.LogBytes, most.LogBytes)
	}
	if !within(l.CPUSeconds, most.CPUSeconds) {
		return invalid(field+".cpu_seconds", "%s: want more than 0 and at most %s", plain(l.CPUSeconds), plain(most.CPUSeconds))
	}
	if !within(l.Gas, most.Gas) {
		return invalid(field+".gas", "%d: want 1 to %d", l.Gas, most.Gas)
	}
	if !within(l.Artifacts, most.Artifacts) {
		return invalid(field+".artifacts", "%d: want 1 to %d", l.Artifacts, most.Artifacts)
	}
	return nil
}

// checkIsSet refuses 0 in what is the server's: [orDefault] would put the default in its
// place at the next start. Only gas has no bound by default.
func checkIsSet(field string, l job.Limits) error {
	if l.CPUSeconds == 0 {
		return invalid(field+".cpu_seconds", "0: want more than 0")
	}
	if l.Artifacts == 0 {
		return invalid(field+".artifacts", "0: want at least 1")
	}
	return nil
}

// within holds a limit that may be 0, for none, against the most that it may be, for
// which the same is true.
func within[T int | int64 | float64](limit, most T) bool {
	return limit >= 0 && (most == 0 || limit <= most) // so that NaN is refused
}

func (l Limits) dispatch() dispatch.Limits {
	l = l.clone()
	return dispatch.Limits{
		Limits: limit.Limits{
			Slots: l.Slots, TenantSlots: l.TenantSlots, PluginSlots: l.PluginSlots, NodeSlots: l.NodeSlots,
			Locks: l.Locks, MemoryBytes: l.MemoryBytes, Weights: l.TenantWeights,
			Ageing: duration(l.AgeingSeconds), Patience: duration(l.PatienceSeconds),
		},
		QueueCap:       l.QueueCap,
		TenantQueueCap: l.TenantQueueCap,
		PluginQueueCap: l.PluginQueueCap,
	}
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// jobLimits completes what a request names.
func (e *Engine) jobLimits(given *job.Limits) (job.Limits, error) {
	l := e.Limits()
	if given == nil {
		return l.Job, nil
	}
	limits := orDefault(orDefault(*given, l.Job), l.MaxJob)
	if limits.MemoryBytes > l.MemoryBytes {
		return limits, invalid("limits.memory_bytes", "%d: all jobs together have %d", limits.MemoryBytes, l.MemoryBytes)
	}
	return limits, checkJobLimits("limits", limits, l.MaxJob)
}

// Limits returns the limits in force.
func (e *Engine) Limits() (l Limits) {
	e.state.Must(func(s *engineState) { l = s.limits.clone() })
	return l
}

const limitsKey = "limits"

// SetLimits changes the limits, all of them, durably. Jobs that run keep running:
// where there are more than the new limits allow, nothing starts until enough have
// ended.
func (e *Engine) SetLimits(ctx context.Context, l Limits) error {
	_, err := e.ChangeLimits(ctx, func(Limits) (Limits, error) { return l, nil })
	return err
}

// ChangeLimits sets what change makes of the limits in force, and returns that. It
// is one step: where others change them meanwhile, change is asked again.
func (e *Engine) ChangeLimits(ctx context.Context, change func(Limits) (Limits, error)) (Limits, error) {
	entry, err := e.settings.Modify(ctx, limitsKey, func(now *Limits) (*Limits, error) {
		current := e.Limits()
		if now != nil {
			current = now.withDefaults(e.cfg.Memory)
		}
		l, err := change(current.clone())
		if err != nil {
			return now, err
		}
		l = l.withMaps().clone()
		stored := l.forAnyMachine(e.cfg.Memory)
		return &stored, l.check()
	})
	return entry.Value.withDefaults(e.cfg.Memory), err
}

// forAnyMachine leaves a budget out that is the default: it follows from the memory of
// the machine, and the next start can be in a smaller container.
func (l Limits) forAnyMachine(memory int64) Limits {
	if l.MemoryBytes == defaultLimits(memory).MemoryBytes {
		l.MemoryBytes = 0
	}
	return l
}

// observeLimits puts limits in force, in the order in which they were committed.
func (e *Engine) observeLimits(c ledger.Change[Limits]) {
	if !c.Deleted {
		e.useLimits(c.Value)
	}
}

func (e *Engine) useLimits(l Limits) {
	l = l.withDefaults(e.cfg.Memory) // those of an older version lack what is new
	e.state.Must(func(s *engineState) { s.limits = l })
	e.dispatch.SetLimits(l.dispatch())
	e.cfg.Heed(l)
	select {
	case e.tidy <- struct{}{}:
	default: // it is going to look anyway
	}
}
