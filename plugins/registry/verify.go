package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/plugins/sandbox"
)

// rouse lets the loop look for what is to be verified.
func (r *Registry) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// verifyLoop verifies modules, one after the other. There are a few such loops, so that
// one module that takes long does not keep the others waiting, and no more, because each
// module may take the memory of a few copies of itself. What is to be verified is what
// the records say; which comes next, choose.
func (r *Registry) verifyLoop(ctx context.Context) {
	for ctx.Err() == nil {
		key, ok := r.next(ctx)
		if !ok {
			select {
			case <-ctx.Done():
			case <-r.wake:
			}
			continue
		}
		r.rouse() // another loop: there may be more
		err := r.verify(ctx, key)
		if err != nil && ctx.Err() == nil {
			r.cfg.Log.Error("module not verified yet", "module", key, "error", err)
			select { // it is the server's fault: the disk may be full. No other loop takes it meanwhile
			case <-ctx.Done():
			case <-time.After(r.cfg.Retry):
			}
		}
		r.verifying.Must(func(v *verifying) { v.end(key) })
		r.rouse() // whoever waits for it to be alone
	}
}

// next takes the module that is to be verified next.
func (r *Registry) next(ctx context.Context) (key string, ok bool) {
	for again := true; again; {
		ended := 0
		r.verifying.Must(func(v *verifying) { ended = v.ended })
		found, _, err := r.modules.List(ctx, ledger.Query{Terms: []string{"phase=" + string(Verifying)}, Limit: 2 * r.cfg.MaxVerifying})
		if err != nil {
			return "", false
		}
		r.verifying.Must(func(v *verifying) {
			if again = v.ended != ended; again {
				return // what was found may have been decided on
			}
			var next ledger.Entry[Module]
			if next, ok = v.choose(found); ok {
				key = next.Key
				v.begin(key, next.Value)
			}
		})
	}
	return key, ok
}

// verify decides on a module. Until that is written, it is as if it had not begun, but
// for the attempt, which counts what the server might not survive.
func (r *Registry) verify(ctx context.Context, key string) error {
	begun := false
	m, err := r.moduleChange(ctx, key, func(m Module) (next Module, err error) {
		next, begun, err = m.begin(r.cfg.Now().UTC())
		return next, err
	})
	if err == nil && !begun && m.Origin != Uploaded {
		r.shippedVerified(m)
	}
	if err != nil || !begun {
		return err
	}
	defer r.live.Must(func(live *map[string]sandbox.Report) { delete(*live, key) })
	report, err := r.examine(ctx, key, m)
	if err != nil && ctx.Err() != nil {
		_, leaveErr := r.moduleChange(context.WithoutCancel(ctx), key, Module.leave)
		return errors.Join(err, leaveErr)
	}
	if err != nil {
		return err
	}
	alive := ctx
	ctx = context.WithoutCancel(ctx) // what was found out is kept
	m, err = r.moduleChange(ctx, key, func(m Module) (Module, error) { return m.decide(report, r.cfg.Now().UTC()) })
	if err != nil {
		return err
	}
	if m.Origin != Uploaded {
		r.shippedVerified(m)
		return nil
	}
	if m.Phase == Rejected {
		return r.dropRejected(ctx, m.Tenant)
	}
	return r.settleAtLast(alive, key)
}

// settleAtLast settles a module that was accepted, however often the disk refuses that.
// If ctx ends first the next start does it.
func (r *Registry) settleAtLast(ctx context.Context, key string) error {
	for {
		err := r.settle(context.WithoutCancel(ctx), key)
		if err == nil || ctx.Err() != nil {
			return err
		}
		r.cfg.Log.Error("module has no version yet", "module", key, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(r.cfg.Retry):
		}
	}
}

// examine takes a module through every check.
func (r *Registry) examine(ctx context.Context, key string, m Module) (sandbox.Report, error) {
	report := sandbox.Report{Digest: m.Digest, Bytes: m.Bytes}
	reject := func(code, check, detail string) (sandbox.Report, error) {
		report.Accepted = false
		report.Refusal = &sandbox.Refused{Code: code, Check: check, Detail: detail, Docs: "/docs/errors#" + code}
		return report, nil
	}
	var refused *core.Refused
	if err := r.admit(ctx, m); m.Origin == Uploaded && errors.As(err, &refused) { // keys may have changed since it came
		return reject(refused.Code, "signature", refused.Detail)
	} else if err != nil && refused == nil {
		return report, err
	}
	wasm, err := r.bytesOf(ctx, m.Digest)
	if errors.Is(err, ledger.ErrDamaged) {
		return reject("verification_failed", "", err.Error()+": push it again")
	}
	if err != nil {
		return report, err
	}
	check := r.host.Check
	if m.Origin != Uploaded { // whoever put it there answers for its examples
		check = r.host.Inspect
	}
	report, err = check(sandbox.WithTenant(ctx, m.Tenant), wasm, func(so sandbox.Report) {
		r.live.Must(func(live *map[string]sandbox.Report) { (*live)[key] = so })
		r.publish(m)
	})
	if err != nil || !report.Accepted {
		return report, err
	}
	if n := reportSize(report); n > maxReport {
		return reject("manifest_invalid", "describe", fmt.Sprintf("the manifest, with its examples, takes %d bytes: the limit of an upload is %d", n, maxReport))
	}
	return report, nil
}

// dropRejected forgets what a tenant uploaded in vain, but for the newest.
func (r *Registry) dropRejected(ctx context.Context, tenant string) error {
	found, _, err := r.modules.List(ctx, ledger.Query{Terms: []string{rejectedTerm(Module{Phase: Rejected, Tenant: tenant})}, Limit: 2 * maxRejected})
	if err != nil || len(found) <= maxRejected {
		return err
	}
	slices.SortFunc(found, func(a, b ledger.Entry[Module]) int { return b.Value.Uploaded.At.Compare(a.Value.Uploaded.At) })
	for _, old := range found[maxRejected:] {
		if err := r.removeModule(ctx, old.Key, func(m Module) bool { return m.Phase == Rejected }); err != nil {
			return err
		}
	}
	return nil
}
