package sandbox

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/plugins/sandbox/rewrite"
)

// purse is what is left to a guest, of its gas and of its stack.
type purse struct{ global api.MutableGlobal }

func purseOf(guest api.Module) *purse {
	return &purse{guest.ExportedGlobal(rewrite.Global).(api.MutableGlobal)}
}

func (p *purse) left() rewrite.Left { return rewrite.Left(p.global.Get()) }

func (p *purse) gas() int64      { return p.left().Gas() }
func (p *purse) setGas(n int64)  { p.global.Set(uint64(rewrite.NewLeft(n, p.left().Stack()))) }
func (p *purse) add(gas int64)   { p.global.Set(p.global.Get() + uint64(rewrite.NewLeft(gas, 0))) }
func (p *purse) giveAllOfStack() { p.global.Set(uint64(rewrite.NewLeft(p.gas(), rewrite.StackBytes))) }

// deep ends a guest that calls a function for which it has no stack left. The function has
// paid and done nothing: what it paid is given back.
func (k *call) deep(guest api.Module, params []uint64) {
	owed, needed := int64(params[0]), params[1]
	if p := k.meter.purse; p != nil { // not while the runtime calls the initialisers of a plain instance
		p.add(owed)
	}
	left := purseOf(guest).left().Stack()
	panic(k.tooDeep(fmt.Sprintf("limit %d bytes of stack; the next call needed %d and there were %d left", rewrite.StackBytes, needed, left)))
}

func (k *call) tooDeep(what string) *job.Error {
	return &job.Error{Code: "stack_limit", Title: "The plugin's calls were nested too deep", Detail: k.told(what + "; a recursion without an end?")}
}

// enter calls a function of a guest's, which has all of the stack. All calls of guests go
// through here, but for those of the initialisers of a plain instance, whose stack is as
// it is at first.
func (k *call) enter(ctx context.Context, f api.Function, arguments ...uint64) ([]uint64, error) {
	k.meter.purse.giveAllOfStack()
	return f.Call(ctx, arguments...)
}
