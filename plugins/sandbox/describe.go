package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/abi"
)

// describeMemory is what initialising and describing a plugin may take, each.
const describeMemory = 64 << 20

// describe asks a module for its manifest. That of a command is in it.
func (h *Host) describe(ctx context.Context, m *module) (routine.Manifest, error) {
	if m.command() {
		return parseManifest(m.manifest, m.compiled)
	}
	var raw []byte
	err := h.ask(ctx, m, func(ctx context.Context, k *call, guest api.Module) error {
		results, err := k.enter(ctx, guest.ExportedFunction(abi.ExportDescribe))
		if err != nil {
			return err
		}
		raw = slices.Clone(readBuffer(guest, uint32(results[0]>>32), uint32(results[0])))
		return nil
	})
	if err != nil {
		return routine.Manifest{}, err
	}
	return parseManifest(raw, m.compiled)
}

// ask calls fn with a new instance that has no job. What goes wrong is the
// module's fault, unless the caller gave up.
func (h *Host) ask(ctx context.Context, m *module, fn func(context.Context, *call, api.Module) error) error {
	k := newCall(work.Call{
		Params: json.RawMessage(`{}`),
		Limits: job.Limits{MemoryBytes: describeMemory, CPUSeconds: h.patience.Seconds()},
		Host:   mute{},
	})
	ctx, cancel := giveUpAfter(ctx, h.patience)
	defer cancel()
	err := h.with(ctx, m, k, func(ctx context.Context, guest api.Module) error { return fn(ctx, k, guest) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return refuse("describe_failed", "%v", err)
	}
	return nil
}

// giveUpAfter ends what may take so much CPU time when it has taken many times as long by
// the clock on the wall: then the machine has too much to do, which is not the module's
// fault.
func giveUpAfter(ctx context.Context, cpu time.Duration) (context.Context, context.CancelFunc) {
	wall := time.Minute + 20*cpu
	return context.WithTimeoutCause(ctx, wall, fmt.Errorf("not done within %v for want of CPU time, of which it may take %v", wall, cpu))
}
