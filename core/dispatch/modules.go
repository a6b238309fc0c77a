package dispatch

import (
	"cmp"
	"slices"
	"time"

	"thresher/core/job"
)

// Loader is an [Actions] whose jobs run on modules that have to be loaded. One that is
// no Loader has every module ready.
type Loader interface {
	// Need asks for the module that a job is to run on, once for all that wait for it,
	// until [Dispatcher.Module] says that it is ready. It is called without a lock held
	// and must not block.
	Need(r job.Record)
}

// modules is which modules are ready, and the jobs that wait for those that are not.
type modules struct {
	loads  bool // there is a Loader
	ready  map[string]bool
	lacks  map[string]*lack // by digest
	digest map[string]string
	wanted []job.Record // for each, its module is to be asked for
}

// lack is a module that is not ready.
type lack struct {
	on    string // what its jobs wait for
	asked bool
	jobs  map[string]job.Record
}

func newModules(loads bool) modules {
	return modules{loads: loads, ready: map[string]bool{}, lacks: map[string]*lack{}, digest: map[string]string{}}
}

// await lets a job wait for its module. It reports whether it has to.
func (m *modules) await(r job.Record) bool {
	if !m.loads || m.ready[r.Spec.Digest] {
		return false
	}
	l := m.lack(r.Spec.Digest)
	if l.on == "" {
		l.on = "plugin " + r.Spec.Plugin() + "@" + r.Spec.Version + " is being loaded"
	}
	if !l.asked {
		l.asked = true
		m.wanted = append(m.wanted, r)
	}
	l.jobs[r.ID] = r
	m.digest[r.ID] = r.Spec.Digest
	return true
}

func (m *modules) lack(digest string) *lack {
	l := m.lacks[digest]
	if l == nil {
		l = &lack{jobs: map[string]job.Record{}}
		m.lacks[digest] = l
	}
	return l
}

// set notes what jobs of a module wait for, and returns those that need not wait any
// more, in order of submit.
func (m *modules) set(digest, on string) (free []job.Record) {
	if m.ready[digest] = on == ""; on != "" {
		m.lack(digest).on = on
		return nil
	}
	if l := m.lacks[digest]; l != nil {
		for _, r := range l.jobs {
			free = append(free, r)
			delete(m.digest, r.ID)
		}
		delete(m.lacks, digest)
	}
	slices.SortFunc(free, func(a, b job.Record) int { return cmp.Compare(a.ID, b.ID) })
	return free
}

// waitsOn says what a job waits for, if that is its module.
func (m *modules) waitsOn(id string) string {
	if digest, ok := m.digest[id]; ok {
		return m.lacks[digest].on
	}
	return ""
}

// remove takes a job out. It reports whether it waited.
func (m *modules) remove(id string) bool {
	digest, ok := m.digest[id]
	if ok {
		delete(m.digest, id)
		delete(m.lacks[digest].jobs, id)
	}
	return ok
}

// moduleIs notes that a module is ready, or what its jobs wait for.
func (s *state) moduleIs(digest, on string, now time.Time) {
	for _, r := range s.modules.set(digest, on) {
		s.elsewhere.remove(r.ID)
		s.queue(r, now)
	}
}

// Module says that a module is ready, or what its jobs wait for where it is not, such
// as "plugin NAME@VERSION is missing". See [Loader].
func (d *Dispatcher) Module(digest, on string) {
	d.state.Must(func(s *state) { s.moduleIs(digest, on, d.now()) })
	d.signal()
}

// Unready says that a module is not ready, where a worker has found it so. The next job of
// it asks for it again.
func (d *Dispatcher) Unready(digest string) {
	d.state.Must(func(s *state) { delete(s.modules.ready, digest) })
}

// need asks for the modules that jobs have begun to wait for.
func (d *Dispatcher) need() {
	if d.loader == nil {
		return
	}
	var wanted []job.Record
	d.state.Must(func(s *state) { wanted, s.modules.wanted = s.modules.wanted, nil })
	for _, r := range wanted {
		d.loader.Need(r)
	}
}
