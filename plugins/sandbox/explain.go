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

// stackOverflow is the one trap without a prefix.
const stackOverflow = "stack overflow"

// stackBytes is how far the runtime lets a guest's stack of calls grow: it doubles
// 10 KiB until that is more than 50 MB.
const stackBytes = 10 << 10 << 13

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
	var host hostError
	if errors.As(err, &host) {
		return host.error
	}
	if errors.Is(err, errFailed) {
		return &job.Error{Code: "guest_error", Title: "The routine reported an error", Detail: k.failed}
	}
	detail, stack := splitStack(err.Error())
	var left exit
	var closed *sys.ExitError
	exited := errors.As(err, &left) || errors.As(err, &closed)
	trap, trapped := strings.CutPrefix(detail, "wasm error: ")
	switch {
	case detail == stackOverflow:
		return &job.Error{
			Code:   "stack_limit",
			Title:  "The plugin's calls were nested too deep",
			Detail: fmt.Sprintf("limit about %d bytes of stack; a recursion without an end?", stackBytes),
			Stack:  stack,
		}
	case k.memory.refused && (exited || trapped):
		return &job.Error{
			Code:   "memory_limit",
			Title:  "The job needed more memory than its limit",
			Detail: fmt.Sprintf("limit %d bytes; it had %d when it asked for more", k.memory.limit, k.memory.peak),
			Stack:  stack,
		}
	case exited:
		return &job.Error{Code: "guest_exit", Title: "The plugin ended itself", Detail: detail + "; its log may say why", Stack: stack}
	case trapped:
		return &job.Error{Code: "guest_trap", Title: "The plugin crashed", Detail: trap, Stack: stack}
	}
	return err // a fault of the host's
}

// hostError is an error of the host's that ends a guest from within a host
// function. explain returns it as it was.
type hostError struct{ error }

func (e hostError) Unwrap() error { return e.error }

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

// maxHandOver is how many bytes a guest can hand over in one call as a result or as
// rows: the host reads them letter by letter, and until it has, the job can neither be
// paused nor ended.
const maxHandOver = 16 << 20

// mayHandOver ends the guest if it puts out too much at once.
func (k *call) mayHandOver(what string, bytes int64) {
	switch {
	case bytes > k.Limits.OutputBytes:
		panic(job.OutputLimit("%s has %d bytes; limit %d bytes of results, tables and artifacts", what, bytes, k.Limits.OutputBytes))
	case bytes > maxHandOver:
		panic(job.OutputLimit("%s has %d bytes; limit %d bytes in one call: rows can be appended in several, and what is large can be a table or an artifact", what, bytes, maxHandOver))
	}
}
