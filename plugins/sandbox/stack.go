package sandbox

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
)

// StackBytes is how much stack a guest's nested calls may take: as much as systems
// give a program. The runtime's own bound is ten times that, and on its way there it
// copies the stack whenever it doubles it, in one piece, for tens of milliseconds, in
// memory that is on nobody's account. The stack is looked at in ticks: for as long as a
// slice of gas lasts a guest may have more.
const StackBytes = 8 << 20

// stack is that of the call of a guest that goes on; its zero value that of none.
type stack struct{ top reflect.Value }

// topOfStack is the runtime's name of the address where a call's stack begins. It
// tells nobody; should the name change, there is its own bound, and
// TestADeepRecursionEndsAtTheLimitOfTheStack fails.
const topOfStack = "stackTop"

func stackOf(f api.Function) stack {
	call := reflect.Indirect(reflect.ValueOf(f))
	if call.Kind() != reflect.Struct {
		return stack{}
	}
	field := topField(call.Type())
	if field == nil || field.Type.Kind() != reflect.Uintptr {
		return stack{}
	}
	return stack{call.FieldByIndex(field.Index)}
}

// topFields has the field of each type of call that was seen: to find it takes longer
// than a short call.
var topFields sync.Map // reflect.Type → *reflect.StructField, nil where there is none

func topField(of reflect.Type) *reflect.StructField {
	if known, ok := topFields.Load(of); ok {
		return known.(*reflect.StructField)
	}
	var found *reflect.StructField
	if f, ok := of.FieldByName(topOfStack); ok {
		found = &f
	}
	topFields.Store(of, found)
	return found
}

// used is how many bytes there are above the parameters of a function of the host's.
// They are given to it where they lie.
func (s stack) used(params []uint64) uint64 {
	if !s.top.IsValid() {
		return 0
	}
	return s.top.Uint() - uint64(uintptr(unsafe.Pointer(unsafe.SliceData(params))))
}

// checkStack ends a guest that has more than it may.
func (k *call) checkStack(params []uint64) {
	if used := k.stack.used(params); used > StackBytes {
		panic(k.tooDeep(fmt.Sprintf("limit %d bytes of stack; it used %d", StackBytes, used)))
	}
}

func (k *call) tooDeep(what string) *job.Error {
	return &job.Error{Code: "stack_limit", Title: "The plugin's calls were nested too deep", Detail: k.told(what + "; a recursion without an end?")}
}

// enter calls a function of a guest's. All calls of guests go through here.
func (k *call) enter(ctx context.Context, f api.Function, arguments ...uint64) ([]uint64, error) {
	k.stack = stackOf(f)
	defer func() { k.stack = stack{} }()
	return f.Call(ctx, arguments...)
}
