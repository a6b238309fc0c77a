package registry

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/ledger"
)

// upload is a module that waits since a second.
func upload(tenant, digest string, second, attempts int) ledger.Entry[Module] {
	at := time.Unix(int64(second), 0)
	m := Module{Tenant: tenant, Digest: digest, Phase: Verifying, Attempts: attempts, Uploaded: Who{At: at}}
	if attempts > 0 {
		m.Tried = &at
	}
	return ledger.Entry[Module]{Key: moduleKey(tenant, digest), Value: m}
}

func TestWhichModuleIsVerifiedNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waiting []ledger.Entry[Module]
		beside  []ledger.Entry[Module]
		want    string // a digest; empty: none
	}{
		"nothing_waits":               {},
		"the_oldest":                  {waiting: []ledger.Entry[Module]{upload("t", "b", 2, 0), upload("t", "a", 1, 0)}, want: "a"},
		"beside_another":              {waiting: []ledger.Entry[Module]{upload("t", "a", 1, 0)}, beside: []ledger.Entry[Module]{upload("t", "b", 0, 0)}, want: "a"},
		"a_tried_one_alone":           {waiting: []ledger.Entry[Module]{upload("t", "a", 1, 1)}, want: "a"},
		"a_tried_one_beside_none":     {waiting: []ledger.Entry[Module]{upload("t", "a", 1, 1)}, beside: []ledger.Entry[Module]{upload("t", "b", 0, 0)}},
		"none_beside_a_tried_one":     {waiting: []ledger.Entry[Module]{upload("t", "a", 1, 0)}, beside: []ledger.Entry[Module]{upload("t", "b", 0, 1)}},
		"a_tried_one_that_came_later": {waiting: []ledger.Entry[Module]{upload("t", "a", 2, 1), upload("t", "b", 1, 0)}, want: "b"},
		"none_before_a_tried_one": {
			waiting: []ledger.Entry[Module]{upload("t", "a", 1, 1), upload("t", "b", 2, 0)}, beside: []ledger.Entry[Module]{upload("t", "c", 0, 0)},
		},
		"not_the_same_bytes_twice": {
			waiting: []ledger.Entry[Module]{upload("u", "a", 1, 0), upload("u", "b", 2, 0)}, beside: []ledger.Entry[Module]{upload("t", "a", 0, 0)}, want: "b",
		},
		"not_itself_again": {waiting: []ledger.Entry[Module]{upload("t", "a", 1, 0)}, beside: []ledger.Entry[Module]{upload("t", "a", 1, 0)}},
		"a_tenant_has_two_at_most": {
			waiting: []ledger.Entry[Module]{upload("t", "c", 1, 0), upload("u", "d", 2, 0)},
			beside:  []ledger.Entry[Module]{upload("t", "a", 0, 0), upload("t", "b", 0, 0)}, want: "d",
		},
		"another_tenant_first": {
			waiting: []ledger.Entry[Module]{upload("t", "b", 1, 0), upload("u", "c", 2, 0)}, beside: []ledger.Entry[Module]{upload("t", "a", 0, 0)}, want: "c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVerifying()
			v.know(append(c.waiting, c.beside...)) // all came before any was begun
			for _, e := range c.beside {
				v.begin(e.Key, e.Value)
			}
			next, ok := v.choose(c.waiting)
			assert.Equal(t, c.want != "", ok)
			if ok {
				assert.Equal(t, c.want, next.Value.Digest)
			}
		})
	}
}

// Whatever others upload, and however fast, a module that waits, tried before or not, is
// begun before each of the tenants there were has had a few turns more.
func TestAStreamOfUploadsDelaysNobodyForEver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := newVerifying()
		second := 0
		arrive := func(tenant string, attempts int) ledger.Entry[Module] {
			second++
			return upload(tenant, "digest"+strconv.Itoa(second), second, attempts)
		}
		var waiting []ledger.Entry[Module]
		for range rapid.IntRange(0, 50).Draw(t, "ahead") {
			waiting = append(waiting, arrive(fmt.Sprint("hostile", rapid.IntRange(0, 5).Draw(t, "tenant")), 0))
		}
		honest := arrive("honest", rapid.IntRange(0, 2).Draw(t, "attempts"))
		waiting = append(waiting, honest)
		most := 2 * (6 + verifiedAtOnce) // of each tenant one, and who was there already
		for begun := 0; ; {
			require.LessOrEqual(t, begun, most, "modules were begun before the honest one")
			for range rapid.IntRange(0, 3).Draw(t, "come") { // of tenants, known or not, as fast as they like
				waiting = append(waiting, arrive(fmt.Sprint("hostile", rapid.IntRange(0, 9).Draw(t, "tenant")), rapid.IntRange(0, 1).Draw(t, "tried")))
			}
			if next, ok := v.choose(waiting); ok && len(v.by) < verifiedAtOnce {
				if next.Key == honest.Key {
					return
				}
				v.begin(next.Key, next.Value)
				begun++
				continue
			}
			for key := range v.by { // one ends
				v.end(key)
				waiting = slices.DeleteFunc(waiting, func(e ledger.Entry[Module]) bool { return e.Key == key })
				break
			}
		}
	})
}

func TestOneTenantLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	waiting := map[string]int{}
	all := 0
	for i := range 5 {
		tenant := strconv.Itoa(i)
		for waiting[tenant] < room(100, all-waiting[tenant]) {
			waiting[tenant]++
			all++
		}
		assert.Positive(t, waiting[tenant], "tenant %d found no room", i)
	}
	assert.LessOrEqual(t, all, 100)
	assert.Equal(t, 1, room(1, 0))
	assert.Zero(t, room(1, 1))
}
