package registry

import (
	"slices"
	"time"

	"thresher/core/ledger"
)

// How many modules are verified at once, and how many of them may be of one tenant: so
// another tenant has room while the modules of one take long.
const (
	verifiedAtOnce = 3
	tenantAtOnce   = 2
)

// verifying is the modules that are being verified, and whose turn it is.
type verifying struct {
	by    map[string]Module // by key, as they were when they were taken
	ended int               // how many have been
	begun uint64            // how many were begun
	turns map[string]uint64 // by tenant that has modules: what begun was at its last turn, or when it came
}

func newVerifying() verifying {
	return verifying{by: map[string]Module{}, turns: map[string]uint64{}}
}

func (v *verifying) begin(key string, m Module) {
	v.by[key] = m
	v.begun++
	v.turns[m.Tenant] = v.begun
}

func (v *verifying) end(key string) {
	delete(v.by, key)
	v.ended++
}

// choose returns the module to verify next, if one may begin beside those that are being
// verified. Tenants take turns, and of each the module that waits the longest comes first. A
// module that was tried before is verified alone: the server may not have survived it, and
// another module that was verified then would be blamed as well. When its turn comes no
// other begins before it: else it would wait as long as others come.
func (v *verifying) choose(waiting []ledger.Entry[Module]) (next ledger.Entry[Module], ok bool) {
	for _, m := range v.by {
		if m.Attempts > 0 {
			return next, false
		}
	}
	slices.SortFunc(waiting, func(a, b ledger.Entry[Module]) int { return a.Value.waitsSince().Compare(b.Value.waitsSince()) })
	v.know(waiting)
	for _, e := range waiting {
		sooner := !ok || v.turns[e.Value.Tenant] < v.turns[next.Value.Tenant]
		if sooner && v.mayBegin(e) {
			next, ok = e, true
		}
	}
	return next, ok && (next.Value.Attempts == 0 || len(v.by) == 0)
}

// know gives a turn to each tenant that has modules now, to new ones behind the others, and
// forgets the tenants that have none left.
func (v *verifying) know(waiting []ledger.Entry[Module]) {
	before := v.turns
	v.turns = make(map[string]uint64, len(before))
	keep := func(tenant string) {
		turn, known := before[tenant]
		if !known {
			turn = v.begun
		}
		v.turns[tenant] = turn
	}
	for _, e := range waiting {
		keep(e.Value.Tenant)
	}
	for _, m := range v.by {
		keep(m.Tenant)
	}
}

// mayBegin reports whether a module is not being verified, its tenant has room, and no
// other has the same bytes: those that two tenants have are compiled once.
func (v *verifying) mayBegin(e ledger.Entry[Module]) bool {
	ofTenant := 0
	for key, m := range v.by {
		if key == e.Key || m.Digest == e.Value.Digest {
			return false
		}
		if m.Tenant == e.Value.Tenant {
			ofTenant++
		}
	}
	return ofTenant < tenantAtOnce
}

// waitsSince is when a module got in line: at its upload, or when it was last tried.
func (m Module) waitsSince() time.Time {
	if m.Tried != nil {
		return *m.Tried
	}
	return m.Uploaded.At
}

// room is how many modules of a tenant may wait: half of the places that other tenants
// leave, so that one tenant does not take them all.
func room(places, others int) int { return max((places-others+1)/2, 0) }
