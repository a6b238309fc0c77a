package sandbox

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/plugins/sandbox/rewrite"
)

// deep ends a guest that calls a function for which it has no stack left. The function has
// paid and done nothing: what it paid is given back.
func (k *call) deep(guest api.Module, params []uint64) {
	owed, needed := int64(params[0]), params[1]
	if gas := k.meter.gas; gas != nil { // not while the runtime calls the initialisers of a plain instance
		gas.Set(gas.Get() + uint64(owed))
	}
	left := guest.ExportedGlobal(rewrite.Stack).Get() + needed // it has been taken
	panic(k.tooDeep(fmt.Sprintf("limit %d bytes of stack; the next call needed %d and there were %d left", rewrite.StackBytes, needed, left)))
}

func (k *call) tooDeep(what string) *job.Error {
	return &job.Error{Code: "stack_limit", Title: "The plugin's calls were nested too deep", Detail: k.told(what + "; a recursion without an end?")}
}

// enter calls a function of a guest's, which has all of the stack. All calls of guests go
// through here, but for those of the initialisers of a plain instance, whose stack is as
// it is at first.
func (k *call) enter(ctx context.Context, f api.Function, arguments ...uint64) ([]uint64, error) {
	k.stack.Set(rewrite.StackBytes)
	return f.Call(ctx, arguments...)
}
