package sandbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"thresher/core/job"
	"thresher/core/jsonsize"
)

// exit is how proc_exit leaves a guest. A plain error, rather than wazero's own,
// so that the guest's stack comes with it.
type exit struct{ code uint32 }

func (e exit) Error() string { return fmt.Sprintf("the guest exited with code %d", e.code) }

// stackMark is what wazero puts between an error and the guest's frames.
const stackMark = "wasm stack trace:"

// stackOverflow is the one trap without a prefix.
const stackOverflow = "stack overflow"

// stackBytes is how far the runtime lets a guest's stack of calls grow between two
// ticks: it doubles 10 KiB until that is more than 50 MB.
const stackBytes = 10 << 10 << 13

// Bounds of a frame, in bytes of JSON: a function with its type keeps its beginning, a
// place its end. Together they are within job.MaxFrame.
const (
	maxFunction = 240
	maxPlace    = job.MaxFrame - maxFunction - len(" at ")
)

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
		_, known.Stack = splitStack(err.Error())
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
		deep := k.tooDeep(fmt.Sprintf("limit about %d bytes of stack", stackBytes))
		deep.Stack = stack
		return deep
	case k.memory.refused && (exited || trapped):
		return &job.Error{
			Code:   "memory_limit",
			Title:  "The job needed more memory than its limit",
			Detail: k.told(fmt.Sprintf("limit %d bytes; it had %d when it asked for more", k.memory.limit, k.memory.peak)),
			Stack:  stack,
		}
	case exited:
		return &job.Error{Code: "guest_exit", Title: "The plugin ended itself", Detail: k.told(detail), Stack: stack}
	case trapped:
		return &job.Error{Code: "guest_trap", Title: "The plugin crashed", Detail: k.told(trap), Stack: stack}
	}
	return err // a fault of the host's
}

// hostError is an error of the host's that ends a guest from within a host
// function. explain returns it as it was.
type hostError struct{ error }

func (e hostError) Unwrap() error { return e.error }

// splitStack parts wazero's text into what happened and the guest's frames,
// innermost first. Where the module says which line a frame is at, it is at its end.
func splitStack(text string) (detail string, stack []string) {
	detail, trace, _ := strings.Cut(text, stackMark)
	detail = strings.TrimSuffix(strings.TrimSpace(detail), " (recovered by wazero)")
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if line == "" && len(stack) == 0 {
			continue
		}
		if at, of := strings.CutPrefix(line, "0x"); of && len(stack) > 0 {
			if _, place, _ := strings.Cut(at, ": "); hasLine.MatchString(place) {
				stack[len(stack)-1] += " at " + jsonsize.CutStart(place, maxPlace)
			}
			continue
		}
		if line == "" || len(stack) == job.MaxFrames {
			break // the host's own stack may follow
		}
		stack = append(stack, jsonsize.Cut(frame(line), maxFunction))
	}
	return detail, stack
}

// frame is one as an author knows it: without a module's name, of which there is none,
// and names of Rust as they are in the source.
func frame(line string) string {
	line = strings.TrimPrefix(line, ".")
	end := strings.IndexByte(line, '(')
	if end < 0 || !strings.HasPrefix(line, "_ZN") {
		return line
	}
	return demangled(line[:end]) + line[end:]
}

// rustEscapes are the characters that mangled names spell out.
var rustEscapes = strings.NewReplacer("$LT$", "<", "$GT$", ">", "$LP$", "(", "$RP$", ")", "$RF$", "&", "$BP$", "*",
	"$C$", ",", "$u20$", " ", "$u27$", "'", "$u5b$", "[", "$u5d$", "]", "$u7b$", "{", "$u7d$", "}", "$u7e$", "~", "..", "::")

// demangled is a name that was written as _ZN, parts with their lengths before them, E.
// The last part of Rust's is a hash, which is left out. Another name stays as it is.
func demangled(name string) string {
	var parts []string
	rest := strings.TrimPrefix(name, "_ZN")
	for rest != "E" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n > len(rest)-digits-1 {
			return name
		}
		part := rest[digits : digits+n]
		rest = rest[digits+n:]
		if rest == "E" && len(part) == 17 && part[0] == 'h' {
			break
		}
		if strings.HasPrefix(part, "_$") {
			part = part[1:]
		}
		parts = append(parts, rustEscapes.Replace(part))
	}
	return strings.Join(parts, "::")
}

// hasLine is what a place is like that is more than a file.
var hasLine = regexp.MustCompile(`:[1-9][0-9]*$`)

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
