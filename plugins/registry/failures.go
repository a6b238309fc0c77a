package registry

import (
	"context"
	"errors"
	"fmt"

	"thresher/core"
)

// streak is how often in a row a module's jobs failed, and with what the last time.
type streak struct {
	n    int
	code string
}

// faults are the failures that are the plugin's own: it crashed, broke the contract,
// or did not come to an end. Others, such as a limit of memory that the job set too
// low, neither count nor end a streak.
var faults = map[string]bool{
	"guest_trap": true, "guest_exit": true, "abi_violation": true, "stack_limit": true, "wall_limit": true, "cpu_limit": true,
}

// Ended implements core.Registry. Streaks are kept in memory: they begin anew with the
// server.
func (r *Registry) Ended(tenant, digest, code string) {
	key, n := moduleKey(tenant, digest), 0
	switch {
	case faults[code]:
		r.streaks.Must(func(all *map[string]streak) {
			n = (*all)[key].n + 1
			(*all)[key] = streak{n, code}
		})
	case code == "" || code == "guest_error": // the plugin did its work
		r.streaks.Must(func(all *map[string]streak) { delete(*all, key) })
	}
	if r.cfg.DisableAfter > 0 && n >= r.cfg.DisableAfter {
		select {
		case r.failing <- key:
		default: // the next failure tells again
		}
	}
}

func (r *Registry) streak(key string) (s streak) {
	r.streaks.Must(func(all *map[string]streak) { s = (*all)[key] })
	return s
}

// disableLoop disables what fails too often.
func (r *Registry) disableLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case key := <-r.failing:
			if err := r.disableFailing(ctx, key); err != nil && ctx.Err() == nil {
				r.cfg.Log.Error("failing plugin not disabled", "module", key, "error", err)
			}
		}
	}
}

func (r *Registry) disableFailing(ctx context.Context, key string) error {
	entry, err := r.modules.Get(ctx, key)
	s := r.streak(key)
	if err != nil || s.n < r.cfg.DisableAfter {
		return nil // it is no upload, it is gone, or a job of it has ended well meanwhile
	}
	p := entry.Value.Plugin()
	reason := fmt.Sprintf("%d jobs in a row failed, the last with %s", s.n, s.code)
	_, err = r.change(ctx, entry.Value.Tenant, p.Name, Disable{p.Version, reason})
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err == nil {
		r.cfg.Log.Warn("plugin disabled", "plugin", p.Name, "version", p.Version, "reason", reason)
	}
	return err
}
