package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"thresher/core/job"
)

// exit is how proc_exit leaves a guest. A plain error, rather than wazero's own,
// so that the guest's stack comes with it.
type exit struct{ code uint32 }

func (e exit) Error() string { return fmt.Sprintf("the guest exited with code %d", e.code) }

// stackMark is what wazero puts between an error and the guest's frames.
const stackMark = "wasm stack trace:"

// maxFrames bounds the frames kept of a guest's stack.
const maxFrames = 50

// explain says why a call ended. A context that has ended comes first: nothing a
// guest does can hide that it was stopped.
func (k *call) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *job.Error
	if errors.As(err, &known) {
		return known
	}
	detail, stack := splitStack(err.Error())
	if k.memory.refused {
		return &job.Error{
			Code:   "memory_limit",
			Title:  "The job needed more memory than its limit",
			Detail: fmt.Sprintf("limit %d bytes; it had %d when it asked for more", k.memory.limit, k.memory.peak),
			Stack:  stack,
		}
	}
	if errors.Is(err, errFailed) {
		return &job.Error{Code: "guest_error", Title: "The routine reported an error", Detail: k.failed}
	}
	var left exit
	var closed *sys.ExitError
	if errors.As(err, &left) || errors.As(err, &closed) {
		return &job.Error{Code: "guest_exit", Title: "The plugin ended itself", Detail: detail + "; its log may say why", Stack: stack}
	}
	if strings.HasPrefix(detail, "wasm error: ") {
		return &job.Error{Code: "guest_trap", Title: "The plugin crashed", Detail: strings.TrimPrefix(detail, "wasm error: "), Stack: stack}
	}
	return err // a fault of the host's
}

// splitStack parts wazero's text into what happened and the guest's frames,
// innermost first.
func splitStack(text string) (detail string, stack []string) {
	detail, trace, _ := strings.Cut(text, stackMark)
	detail = strings.TrimSuffix(strings.TrimSpace(detail), " (recovered by wazero)")
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if line == "" && len(stack) == 0 {
			continue
		}
		if line == "" || len(stack) == maxFrames {
			break // the host's own stack may follow
		}
		stack = append(stack, line)
	}
	return detail, stack
}

// violation is a guest's breach of the contract.
func violation(format string, args ...any) *job.Error {
	return &job.Error{Code: "abi_violation", Title: "The plugin broke the plugin contract", Detail: fmt.Sprintf(format, args...)}
}
