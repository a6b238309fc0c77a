package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"thresher/core"
	"thresher/core/job"
	"thresher/core/table"
	"thresher/plugins/builtin"
)

// rowsOf is how many rows the tables have.
const rowsOf = 3_000_000

// An analysis is a routine that ships, on a table of its own.
type analysis struct {
	name     string // of peers
	plugin   string
	input    string
	write    func(io.Writer, int) error // the table as CSV
	natively func(*table.File) (any, error)
}

var analyses = []analysis{
	{"describe", "tabular", "data", writeVisits, describeNatively},
	{"population", "agentfarm", "steps", writeSteps, populationNatively},
}

// took is what an answer took. Of several runs it is the quickest.
type took struct {
	wall, cpu float64 // seconds
	memory    int64   // bytes, of a job
	answer    answer
}

func (t took) orQuicker(o took) took {
	if t.answer == nil || o.wall < t.wall {
		return o
	}
	return t
}

// rows runs the analyses that ship on long tables: as jobs, as the same code compiled
// for the machine, and as pandas and DuckDB do them. All must give the same answers.
func rows(ctx context.Context, b *bench) (err error) {
	title("Analyses of %d rows: wall and CPU seconds, the quickest of three runs, and times native Go", rowsOf)
	s, err := serve(ctx, b, filepath.Join(b.dir, "rows"), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	modules, err := builtin.Modules()
	if err != nil {
		return err
	}
	for _, a := range analyses {
		if _, err := b.host.Load(ctx, modules[a.plugin], true); err != nil {
			return err
		}
		if err := a.measure(ctx, s.engine, filepath.Join(b.dir, a.name+".csv")); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

func (a analysis) measure(ctx context.Context, e *core.Engine, path string) error {
	if err := a.load(ctx, e, path); err != nil {
		return err
	}
	var sandboxed, native took
	for range 3 { // by turns, so that both see the same machine
		t, err := a.job(ctx, e)
		if err != nil {
			return err
		}
		sandboxed = sandboxed.orQuicker(t)
		if t, err = a.native(ctx, e); err != nil {
			return err
		}
		native = native.orQuicker(t)
	}
	a.print("native Go", native, native)
	if err := a.compare("Thresher", sandboxed, native); err != nil {
		return err
	}
	for _, p := range peers {
		t, err := p.ask(ctx, a.name, path)
		if errors.Is(err, errNotInstalled) {
			fmt.Printf("*** LEFT OUT: %s: %v ***\n", p.name, err)
			continue
		}
		if err != nil {
			return err
		}
		if err := a.compare(p.name, t, native); err != nil {
			return err
		}
	}
	return nil
}

// compare makes sure that what took so long is the same answer. Peers need not say all
// of it, but most.
func (a analysis) compare(name string, t, native took) error {
	a.print(name, t, native)
	if err := same(native.answer, t.answer); err != nil {
		return fmt.Errorf("%s and native Go differ: %w", name, err)
	}
	if 10*len(t.answer) < 9*len(native.answer) {
		return fmt.Errorf("%s says %d things, and native Go %d", name, len(t.answer), len(native.answer))
	}
	return nil
}

func (a analysis) print(name string, t, native took) {
	memory := ""
	if t.memory > 0 {
		memory = fmt.Sprintf("%6d MiB at most", t.memory>>20)
	}
	fmt.Printf("%-12s %-12s %8.2f s %8.2f s %8.2f× %8.2f× %6d values%s\n", a.name, name, t.wall, t.cpu, t.wall/native.wall, t.cpu/native.cpu,
		len(t.answer), memory)
}

// load writes the table, for peers to read, and imports it.
func (a analysis) load(ctx context.Context, e *core.Engine, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := a.write(f, rowsOf); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	d, err := e.PutDataset(ctx, a.name, table.CSV, f, nil)
	if err == nil && d.Tables[0].Rows != rowsOf {
		err = fmt.Errorf("the table has %d rows", d.Tables[0].Rows)
	}
	return err
}

// job runs the routine as anyone would, with the limits of a new server.
func (a analysis) job(ctx context.Context, e *core.Engine) (t took, err error) {
	j, err := e.Submit(ctx, core.Request{Routine: a.plugin + "/" + a.name, Inputs: map[string]string{a.input: a.name}, Cache: "off"})
	if err != nil {
		return t, err
	}
	if j, err = e.Wait(ctx, j.ID); err != nil {
		return t, err
	}
	if j.Phase != job.Completed {
		return t, fmt.Errorf("the job is %s: %+v", j.Phase, j.Outcome.Error)
	}
	t.wall, t.cpu, t.memory = j.Outcome.Usage.WallSeconds, j.Outcome.Usage.CPUSeconds, j.Outcome.Usage.PeakMemoryBytes
	r, _, err := e.Result(ctx, j.ID)
	if err != nil {
		return t, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return t, err
	}
	t.answer, err = answerOf(text)
	return t, err
}

// native does the same to the same file, which is mapped into memory.
func (a analysis) native(ctx context.Context, e *core.Engine) (t took, err error) {
	opened, err := e.DatasetTable(ctx, a.name, "")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	start, before := time.Now(), processTime()
	result, err := a.natively(opened.(*table.File))
	if err != nil {
		return t, err
	}
	text, err := json.Marshal(result)
	if err != nil {
		return t, err
	}
	t.wall, t.cpu = time.Since(start).Seconds(), processTime()-before
	t.answer, err = answerOf(text)
	return t, err
}

// processTime is the CPU time that this process has had, in seconds.
func processTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
