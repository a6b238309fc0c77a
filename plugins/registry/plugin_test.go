package registry

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/sandbox"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// named is a plugin with three versions, of which the second is active after the first:
// 1.0.0 ready, 1.1.0 active, 1.2.0 disabled, 1.3.0 deleted.
func named(t *testing.T) Plugin {
	t.Helper()
	p := Plugin{Tenant: "default", Name: "probe"}
	for _, e := range []Event{
		Add{Version: "1.0.0", Digest: "a", Activate: true}, Add{Version: "1.1.0", Digest: "b", Activate: true},
		Add{Version: "1.2.0", Digest: "c"}, Disable{"1.2.0", "slow"},
		Add{Version: "1.3.0", Digest: "d"}, Delete{"1.3.0", noon},
	} {
		var err error
		p, err = p.Apply(e)
		require.NoError(t, err)
	}
	return p
}

// summary is what matters of a plugin.
func summary(p Plugin) string {
	s := "active " + p.Active + ", before " + fmt.Sprint(p.Before)
	for _, v := range p.Versions {
		s += fmt.Sprintf(", %s %s", v.Version, v.State)
		if v.Reason+v.Deprecated != "" {
			s += " (" + v.Reason + v.Deprecated + ")"
		}
	}
	return s
}

const start = "active 1.1.0, before [1.0.0], 1.0.0 ready, 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted"

// Every event, in every state of the version that it is about.
func TestAPluginMovesAsItsTableSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event Event
		code  string // of the refusal; empty: it is legal
		after string // empty: nothing changes
	}{
		"add_a_newer":          {Add{Version: "2.0.0", Digest: "e", Activate: true}, "", "active 2.0.0, before [1.0.0 1.1.0], 1.0.0 ready, 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted, 2.0.0 ready"},
		"add_without_activate": {Add{Version: "2.0.0", Digest: "e"}, "", start + ", 2.0.0 ready"},
		"add_an_older":         {Add{Version: "0.9.0", Digest: "e", Activate: true}, "", start + ", 0.9.0 ready"},
		"add_a_prerelease":     {Add{Version: "1.1.0-rc.1", Digest: "e", Activate: true}, "", start + ", 1.1.0-rc.1 ready"},
		"add_the_same":         {Add{Version: "1.1.0", Digest: "b", Activate: true}, "", ""},
		"add_the_same_older":   {Add{Version: "1.0.0", Digest: "a", Activate: true}, "", ""},
		"add_other_bytes":      {Add{Version: "1.1.0", Digest: "x", Activate: true}, "version_taken", ""},
		"add_the_disabled":     {Add{Version: "1.2.0", Digest: "c", Activate: true}, "", ""},
		"add_the_deleted":      {Add{Version: "1.3.0", Digest: "d"}, "", "active 1.1.0, before [1.0.0], 1.0.0 ready, 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 ready"},
		"add_for_the_deleted":  {Add{Version: "1.3.0", Digest: "x"}, "version_taken", ""},
		"activate_ready":       {Activate{Version: "1.0.0"}, "", "active 1.0.0, before [1.0.0 1.1.0], 1.0.0 ready, 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted"},
		"activate_active":      {Activate{Version: "1.1.0"}, "", ""},
		"activate_disabled":    {Activate{Version: "1.2.0"}, "illegal_state", ""},
		"activate_deleted":     {Activate{Version: "1.3.0"}, "not_found", ""},
		"activate_unknown":     {Activate{Version: "9.0.0"}, "not_found", ""},
		"rollback":             {Rollback{}, "", "active 1.0.0, before [], 1.0.0 ready, 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted"},
		"disable_ready":        {Disable{"1.0.0", "old"}, "", "active 1.1.0, before [1.0.0], 1.0.0 disabled (old), 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted"},
		"disable_active":       {Disable{"1.1.0", "bad"}, "", "active 1.1.0, before [1.0.0], 1.0.0 ready, 1.1.0 disabled (bad), 1.2.0 disabled (slow), 1.3.0 deleted"},
		"disable_disabled":     {Disable{"1.2.0", "slow"}, "", ""},
		"disable_deleted":      {Disable{"1.3.0", ""}, "not_found", ""},
		"enable_disabled":      {Enable{"1.2.0"}, "", "active 1.1.0, before [1.0.0], 1.0.0 ready, 1.1.0 ready, 1.2.0 ready, 1.3.0 deleted"},
		"enable_ready":         {Enable{"1.0.0"}, "", ""},
		"enable_deleted":       {Enable{"1.3.0"}, "not_found", ""},
		"deprecate_ready":      {Deprecate{"1.0.0", "use 1.1.0"}, "", "active 1.1.0, before [1.0.0], 1.0.0 ready (use 1.1.0), 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted"},
		"deprecate_deleted":    {Deprecate{"1.3.0", "x"}, "not_found", ""},
		"delete_ready":         {Delete{"1.0.0", noon}, "", "active 1.1.0, before [], 1.0.0 deleted, 1.1.0 ready, 1.2.0 disabled (slow), 1.3.0 deleted"},
		"delete_active":        {Delete{"1.1.0", noon}, "in_use", ""},
		"delete_disabled":      {Delete{"1.2.0", noon}, "", "active 1.1.0, before [1.0.0], 1.0.0 ready, 1.1.0 ready, 1.2.0 deleted, 1.3.0 deleted"},
		"delete_deleted":       {Delete{"1.3.0", noon}, "not_found", ""},
		"forget_active":        {gone{"1.1.0", noon}, "", "active , before [1.0.0], 1.0.0 ready, 1.1.0 deleted, 1.2.0 disabled (slow), 1.3.0 deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := named(t)
			raw, err := json.Marshal(before)
			require.NoError(t, err)
			after, err := before.Apply(c.event)
			assert.Equal(t, c.code, core.Code(err), "%v", err)
			if c.after == "" {
				c.after = start
			}
			assert.Equal(t, c.after, summary(after))
			kept, err := json.Marshal(before)
			require.NoError(t, err)
			assert.Equal(t, string(raw), string(kept), "what was is not touched")
		})
	}
}

// Rolling back goes further back each time, past what can no longer be run.
func TestRollingBackGoesBackAndBack(t *testing.T) {
	t.Parallel()
	p := Plugin{Name: "probe"}
	apply := func(e Event) (err error) { p, err = p.Apply(e); return err }
	for n := range 5 {
		require.NoError(t, apply(Add{Version: fmt.Sprintf("1.%d.0", n), Digest: fmt.Sprint(n), Activate: true}))
	}
	require.NoError(t, apply(Rollback{}))
	assert.Equal(t, "1.3.0", p.Active)
	require.NoError(t, apply(Disable{"1.2.0", ""}))
	require.NoError(t, apply(Rollback{}))
	assert.Equal(t, "1.1.0", p.Active, "1.2.0 cannot be run")
	require.NoError(t, apply(Rollback{}))
	assert.Equal(t, "1.0.0", p.Active)
	assert.Equal(t, "illegal_state", core.Code(apply(Rollback{})))
	assert.Equal(t, "rollback", p.History[len(p.History)-1].How)
}

func TestTheLastVersionCanBeDeletedThoughItIsActive(t *testing.T) {
	t.Parallel()
	p, err := Plugin{Name: "probe"}.Apply(Add{Version: "1.0.0", Digest: "a", Activate: true})
	require.NoError(t, err)
	p, err = p.Apply(Delete{"1.0.0", noon})
	require.NoError(t, err)
	assert.Equal(t, "active , before [], 1.0.0 deleted", summary(p))
	p, err = p.Apply(Add{Version: "1.0.0", Digest: "a", Activate: true})
	require.NoError(t, err)
	assert.Equal(t, "1.0.0", p.Active)
}

func TestAPluginsRecordIsBounded(t *testing.T) {
	t.Parallel()
	p := Plugin{Name: "probe"}
	apply := func(e Event) (err error) { p, err = p.Apply(e); return err }
	for n := range MaxVersions {
		require.NoError(t, apply(Add{Version: fmt.Sprintf("1.%d.0", n), Digest: fmt.Sprint(n), Activate: true}))
	}
	assert.Equal(t, "registry_full", core.Code(apply(Add{Version: "2.0.0", Digest: "x"})))
	assert.NoError(t, apply(Add{Version: "1.1.0", Digest: "1"}), "it is there already")
	assert.Len(t, p.History, maxHistory)
	assert.Len(t, p.Before, maxBefore)
}

// Every move of a module, from every phase.
func TestAModuleMovesAsItsTableSays(t *testing.T) {
	t.Parallel()
	moves := map[string]func(Module) (Module, error){
		"begin":  func(m Module) (Module, error) { next, _, err := m.begin(noon); return next, err },
		"leave":  Module.leave,
		"accept": func(m Module) (Module, error) { return m.decide(sandbox.Report{Accepted: true}, noon) },
		"refuse": func(m Module) (Module, error) { return m.decide(sandbox.Report{}, noon) },
		"reject": func(m Module) (Module, error) { return m.reject(&sandbox.Refused{Code: "version_taken"}, noon) },
		"again":  func(m Module) (Module, error) { return m.again(Module{Phase: Verifying}) },
	}
	legal := map[Phase]map[string]Phase{
		Verifying: {"begin": Verifying, "leave": Verifying, "accept": Accepted, "refuse": Rejected, "reject": Rejected},
		Accepted:  {"reject": Rejected},
		Rejected:  {"again": Verifying},
	}
	for phase, wants := range legal {
		for name, move := range moves {
			before := Module{Phase: phase, Attempts: 1}
			after, err := move(before)
			want, ok := wants[name]
			if !ok {
				assert.Equal(t, "illegal_state", core.Code(err), "%s %s", phase, name)
				assert.Equal(t, before, after)
				continue
			}
			assert.NoError(t, err, "%s %s", phase, name)
			assert.Equal(t, want, after.Phase, "%s %s", phase, name)
		}
	}
	tired, ok, err := Module{Phase: Verifying, Attempts: maxAttempts}.begin(noon)
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Equal(t, "verification_failed", tired.Report.Refusal.Code)
}
