package sandbox

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tetratelabs/wazero/api"

	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/plugins/abi"
	"thresher/plugins/sandbox/binary"
)

// A command is a program of WASI preview 1, from any language, that knows nothing of
// thresher: it reads tables from standard input, params from its arguments, and writes
// what it found to standard output. Its manifest stands in a custom section.
// docs/wasi.md is the whole contract.

// WithManifest returns a program's module with its manifest in it.
func WithManifest(wasm, manifest []byte) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, manifest); err != nil {
		return nil, refuse("manifest_invalid", "%v", err)
	}
	with, err := binary.WithCustom(wasm, abi.ManifestSection, compact.Bytes())
	if err != nil {
		return nil, refuse("invalid_module", "%v", err)
	}
	return with, nil
}

// The formats of standard input and output.
var (
	stdinFormats  = []string{"", string(table.CSV), string(table.NDJSON), string(table.Arrow)}
	stdoutFormats = []string{"", "json", "text", string(table.CSV), string(table.NDJSON), string(table.Arrow)}
)

// writesTable reports whether what a program writes is the rows of its output table.
func writesTable(r routine.Routine) bool {
	return !slices.Contains([]string{"", "json", "text"}, r.Stdout)
}

// checkCommand holds a manifest against what commands can do.
func checkCommand(m routine.Manifest) error {
	for _, r := range m.Routines {
		isTable := writesTable(r)
		switch {
		case r.Kind == routine.Simulation:
			return fmt.Errorf("routine %s: kind %q: a program runs from its start to its end: want %s or %s", r.Name, r.Kind, routine.Analysis, routine.Importer)
		case r.Kind == routine.Importer && (r.Stdin != "" || !isTable):
			return fmt.Errorf("routine %s: an importer has the file on stdin as it is, and its table on stdout: want no stdin, and stdout csv, ndjson or arrow", r.Name)
		case !slices.Contains(stdinFormats, r.Stdin):
			return fmt.Errorf("routine %s: stdin %q: want csv, ndjson or arrow", r.Name, r.Stdin)
		case !slices.Contains(stdoutFormats, r.Stdout):
			return fmt.Errorf("routine %s: stdout %q: want json, text, csv, ndjson or arrow", r.Name, r.Stdout)
		case len(r.Inputs) > 1 && r.Stdin != string(table.Arrow):
			return fmt.Errorf("routine %s: %d inputs: a program reads one from stdin, or several with stdin arrow", r.Name, len(r.Inputs))
		case len(r.Inputs) > 1 && slices.ContainsFunc(r.Inputs, func(in routine.Input) bool { return in.Optional }):
			return fmt.Errorf("routine %s: one of several inputs is optional: the program could not tell which is missing", r.Name)
		case isTable && len(r.Outputs) != 1:
			return fmt.Errorf("routine %s: %d outputs: stdout %s is the one output table", r.Name, len(r.Outputs), r.Stdout)
		case !isTable && len(r.Outputs) > 0:
			return fmt.Errorf("routine %s: it has outputs: with stdout json or text there are none", r.Name)
		}
		if err := r.CheckArgs(); err != nil {
			return fmt.Errorf("routine %s: %w", r.Name, err)
		}
	}
	return nil
}

// checkNoCommand refuses what only a command's manifest may say.
func checkNoCommand(m routine.Manifest) error {
	for _, r := range m.Routines {
		if r.Stdin != "" || r.Stdout != "" || r.Args != nil {
			return fmt.Errorf("routine %s: stdin, stdout and args are those of programs: this module is no program", r.Name)
		}
	}
	return nil
}

// world is what a command has of the world. A nil has nothing.
type world struct {
	args, env []string
	stdin     io.Reader
	stdout    io.Writer
	left      int64  // bytes that it may still write
	put       func() // ends the guest that has written too much
	said      tail   // the end of what it wrote to standard output

	fed *atomic.Int64 // CPU time of what writes standard input, in ns, not yet counted
}

func (p *world) arguments() []string {
	if p == nil {
		return nil
	}
	return p.args
}

func (p *world) environment() []string {
	if p == nil {
		return nil
	}
	return p.env
}

// writeOutput writes to standard output.
func (k *call) writeOutput(ctx context.Context, text []byte) {
	p := k.program
	if p.left -= int64(len(text)); p.left < 0 {
		p.put()
	}
	k.parts(ctx, copied, text, func(part []byte) bool {
		p.said.add(part)
		if _, err := p.stdout.Write(part); err != nil {
			panic(hostError{fmt.Errorf("keep what a program wrote: %w", err)})
		}
		return true
	})
}

// readInput reads standard input, part by part. What writes it does so on the job's
// behalf: while it does, the guest waits and keeps its turn, and its CPU time is the
// job's.
func (k *call) readInput(ctx context.Context, room []byte) (n int) {
	if k.program == nil {
		return 0
	}
	for part := range slices.Chunk(room, partBytes) {
		k.work(ctx, inputMade, len(part))
		read, err := io.ReadFull(k.program.stdin, part)
		n += read
		k.meter.cpu += time.Duration(k.program.fed.Swap(0))
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return n
		case err != nil:
			panic(hostError{fmt.Errorf("write a program's input: %w", err)})
		}
	}
	return n
}

// runCommand runs a command from its start to its end.
func runCommand(ctx context.Context, k *call, guest api.Module, decl routine.Routine) error {
	args, env, err := k.argumentsOf(ctx, decl)
	if err != nil {
		return err
	}
	fed := new(atomic.Int64)
	in, done := k.feed(decl, fed)
	defer done()
	k.program = &world{args: args, stdin: in, env: env, fed: fed}
	if writesTable(decl) {
		return k.forTable(ctx, guest, decl)
	}
	return k.forResult(ctx, guest, decl.Stdout == "text")
}

// argumentsOf makes the arguments and the environment of a program.
func (k *call) argumentsOf(ctx context.Context, decl routine.Routine) (args, env []string, err error) {
	size, err := decl.ArgumentBytes(k.Params)
	if err != nil {
		return nil, nil, err
	}
	if size > routine.MaxArguments {
		return nil, nil, violation("%d bytes of arguments when params are filled in: the limit is %d", size, routine.MaxArguments)
	}
	size += len(k.Params)
	k.hold("arguments", 2*size) // each is made once from its parts
	k.work(ctx, copied, 2*size)
	if args, err = decl.Arguments(k.Params); err != nil {
		return nil, nil, err
	}
	return args, []string{"THRESHER_PARAMS=" + string(k.Params), fmt.Sprintf("THRESHER_SEED=%d", k.Seed)}, nil
}

// feed reads an importer's file, or writes the inputs, one behind the other in the order of the manifest, as they
// are read. done ends that, and must be called before the tables are closed.
func (k *call) feed(decl routine.Routine, fed *atomic.Int64) (in io.Reader, done func()) {
	if k.File != nil {
		return io.NewSectionReader(k.File, 0, k.File.Bytes), func() {}
	}
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		runtime.LockOSThread() // whose time is the job's
		defer runtime.UnlockOSThread()
		out := bufio.NewWriterSize(&timed{w: w, spent: fed, since: threadTime()}, partBytes)
		var err error
		for _, input := range decl.Inputs {
			if f := k.Inputs[input.Name]; f != nil && err == nil {
				err = writeInput(out, f, decl.Stdin)
			}
		}
		_ = w.CloseWithError(cmp.Or(err, out.Flush())) // it never fails
	}()
	return r, func() {
		_ = r.Close() // it never fails
		<-written
	}
}

// timed counts the CPU time of the thread that writes.
type timed struct {
	w     io.Writer
	spent *atomic.Int64
	since time.Duration
}

func (t *timed) Write(p []byte) (int, error) {
	now := threadTime()
	t.spent.Add(int64(now - t.since))
	t.since = now
	return t.w.Write(p)
}

func writeInput(w io.Writer, f *table.File, format string) error {
	switch table.Format(format) {
	case table.NDJSON:
		return table.WriteNDJSON(w, f, 0, f.Rows())
	case table.Arrow:
		return table.WriteArrow(w, f, 0, f.Rows())
	}
	return table.WriteCSV(w, f, 0, f.Rows())
}

// start runs the program, and says how it ended.
func (k *call) start(ctx context.Context, guest api.Module) error {
	_, err := k.enter(ctx, guest.ExportedFunction(abi.ExportStart))
	var left exit
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || k.memory.refused || !errors.As(err, &left):
		return err
	case left.code == 0:
		return nil
	}
	last := cmp.Or(k.tail.lines(), k.program.said.lines())
	last = last[strings.LastIndexByte(last, '\n')+1:]
	return &job.Error{
		Code: "guest_error", Title: fmt.Sprintf("The program ended with exit code %d", left.code),
		Detail: cmp.Or(last, "it wrote nothing"),
	}
}

// forResult runs a program whose output is its result: JSON, or a text.
func (k *call) forResult(ctx context.Context, guest api.Module, isText bool) error {
	out := &heldBuffer{k: k}
	k.program.stdout, k.program.left = out, min(k.Limits.OutputBytes, maxHandOver)
	k.program.put = func() { k.mayHandOver("standard output", min(k.Limits.OutputBytes, maxHandOver)+1) }
	if err := k.start(ctx, guest); err != nil {
		return err
	}
	if isText {
		return k.textResult(ctx, out.text)
	}
	result := bytes.TrimSpace(out.text)
	if len(result) == 0 {
		return violation("the program wrote nothing to standard output: want its result, JSON")
	}
	if !k.isJSON(ctx, result) || !k.isText(ctx, result) {
		return violation("standard output is not JSON: it begins with %q", result[:min(len(result), 100)])
	}
	k.result = result
	return nil
}

// textResult makes a text, as it is, the result: a JSON string.
func (k *call) textResult(ctx context.Context, text []byte) error {
	if !k.isText(ctx, text) {
		return violation("standard output is not UTF-8")
	}
	size := jsonsize.String(string(text))
	k.mayHandOver("standard output, as JSON,", int64(size))
	k.hold("standard output, as JSON,", size)
	k.result = append(make([]byte, 0, size), '"')
	k.parts(ctx, made, text, func(part []byte) bool { k.result = appendEscaped(k.result, part); return true })
	k.result = append(k.result, '"')
	return nil
}

// appendEscaped appends text as it stands in a string of JSON.
func appendEscaped(to, text []byte) []byte {
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(text)) // a string can be encoded
	return append(to, quoted.Bytes()[1:quoted.Len()-2]...)
}

// forTable runs a program whose output is a table. Its result says how many rows.
func (k *call) forTable(ctx context.Context, guest api.Module, decl routine.Routine) (err error) {
	dir, err := os.MkdirTemp("", "thresher-stdout-")
	if err != nil {
		return hostError{err}
	}
	defer os.RemoveAll(dir)
	out, err := os.CreateTemp(dir, "")
	if err != nil {
		return hostError{err}
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	k.program.stdout, k.program.left = out, k.Limits.OutputBytes
	k.program.put = func() {
		panic(job.OutputLimit("standard output has more than %d bytes, the limit of results, tables and artifacts", k.Limits.OutputBytes))
	}
	if err := k.start(ctx, guest); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return hostError{err}
	}
	return k.take(ctx, out, dir, decl)
}

// tableHead is how much a file of a table may take beside its rows.
const tableHead = 1 << 20

// take makes a program's output the rows of its output table.
func (k *call) take(ctx context.Context, out io.Reader, dir string, decl routine.Routine) error {
	bounds := table.Bounds{Bytes: k.Limits.OutputBytes + tableHead, Memory: k.Limits.MemoryBytes,
		Pause: func(n int) error { return try(func() { k.work(ctx, tableRead, n) }) }}
	sealed, err := table.ImportWithin(ctx, out, table.Format(decl.Stdout), dir, bounds, nil)
	var bad *table.ImportError
	if errors.Is(err, table.ErrTooLarge) {
		return job.OutputLimit("standard output is a table of more than %d bytes, the limit of results, tables and artifacts", k.Limits.OutputBytes)
	}
	if errors.As(err, &bad) {
		return violation("standard output is no table in %s: %v", decl.Stdout, bad)
	}
	if err != nil {
		return hostError{err}
	}
	f, err := table.Open(sealed.Path)
	if err != nil {
		return hostError{err}
	}
	err = f.Range(0, f.Rows(), func(rows arrow.RecordBatch) error {
		if err := try(func() { k.work(ctx, columnsWritten, int(rows.NumCols())) }); err != nil {
			return err
		}
		kept, err := copiedRows(rows)
		if err != nil {
			return err
		}
		return k.Host.Append(decl.Outputs[0].Name, kept)
	})
	if err = errors.Join(err, f.Close()); err != nil {
		return hostError{err}
	}
	k.result, err = json.Marshal(map[string]int64{"rows": f.Rows()})
	return err
}

// copiedRows is rows that stay when the file that they were mapped from is gone.
func copiedRows(rows arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, rows.NumCols())
	for i, c := range rows.Columns() {
		var err error
		if columns[i], err = array.Concatenate([]arrow.Array{c}, memory.DefaultAllocator); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(rows.Schema(), columns, rows.NumRows()), nil
}
