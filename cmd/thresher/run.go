package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/table"
	"thresher/server"
)

// runCmd runs one job to its end.
type runCmd struct {
	Routine string        `arg:"" help:"PLUGIN/ROUTINE, such as tabular/describe."`
	Input   uniquePairs   `help:"A table to read: NAME=FILE, NAME=DATASET or NAME=job:ID/TABLE." short:"i" placeholder:"NAME=SOURCE"`
	Param   pairs         `help:"A param, as typed: NAME=VALUE. Repeat the name for a list, or write JSON: -p 'ids=[1,2]'." short:"p" placeholder:"NAME=VALUE"`
	Params  string        `help:"All params as a JSON object, or @FILE." placeholder:"JSON"`
	Seed    *uint64       `help:"Seed of everything random; if absent, 0 for an analysis and drawn for a simulation."`
	Label   uniquePairs   `help:"A label to find the job by." placeholder:"KEY=VALUE"`
	Tenant  string        `help:"Whose job it is."`
	Prio    string        `help:"low, normal or high." name:"priority" enum:",low,normal,high" default:""`
	Lock    uniquePairs   `help:"A named lock to hold: NAME=HOLDERS, 1 for a mutex." placeholder:"NAME=N"`
	After   []string      `help:"Jobs that must complete first, separated by commas." placeholder:"ID"`
	NoCache bool          `help:"Run it even if the same was run before."`
	Key     string        `help:"Idempotency key: the same key returns the same job."`
	Skip    bool          `help:"Return the queued job if an identical request is already pending; with --remote." name:"skip-if-queued"`
	Memory  size          `help:"The job's memory limit, such as 512MiB; a number alone is MiB." placeholder:"SIZE"`
	Wall    time.Duration `help:"Limit of the running time." placeholder:"TIME"`
	CPU     time.Duration `help:"Limit of the CPU time." placeholder:"TIME" name:"cpu"`
	Gas     int64         `help:"Limit of the gas: of what its instructions cost." placeholder:"N"`
	Remote  bool          `help:"Run on the server, instead of here with nothing left behind."`
	Out     string        `help:"Folder to save result, artifacts, tables and log in." type:"path"`
	Plugins string        `help:"Folder with more plugins (*.wasm) to load; not with --remote." type:"path"`
}

// Run runs the job on the server, or on one of its own that is gone afterwards.
func (r *runCmd) Run(ctx context.Context, s streams, c *commands) error {
	if r.Remote {
		_, err := r.on(ctx, s, client.New(c.Server))
		return err
	}
	if err := checkPluginFolder(r.Plugins); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "thresher-run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelError}))
	e, err := openEngine(context.WithoutCancel(ctx), core.Config{Dir: dir, Sync: ledger.SyncInterval, Log: log},
		pluginSetup{cacheDir: compiledCache(), folder: r.Plugins})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, e.closeEngine(ctx))
	}
	srv := server.New(server.Config{Version: version, Log: log}, e.engine, e.plugins)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	j, runErr := r.on(ctx, s, client.New("http://"+listener.Addr().String()))
	if _, name, ok := strings.Cut(r.Routine, "/"); ok && runErr == nil && r.Plugins != "" {
		_, runErr = rehearse(ctx, s.err, e.host, j.Spec.Digest, name)
	}
	now, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel() // there is nothing to wait for
	return errors.Join(runErr, e.closeEngine(now), srv.Shutdown(context.WithoutCancel(ctx)), <-served)
}

// compiledCache is where runs without a server keep compiled plugins, so that the
// second starts at once. Without a home folder there is none.
func compiledCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "thresher")
}

// on runs the job on a server.
func (r *runCmd) on(ctx context.Context, s streams, c *client.Client) (core.Job, error) {
	req, err := r.request(ctx, s, c)
	if err != nil {
		return core.Job{}, err
	}
	j, err := c.Submit(ctx, req, 0)
	if err != nil {
		return j, err
	}
	if j, err = r.follow(ctx, s, c, j); err != nil {
		return j, err
	}
	if r.Out != "" {
		if err := save(ctx, c, j, r.Out); err != nil {
			return j, err
		}
		fmt.Fprintf(s.err, "saved in %s\n", r.Out)
	}
	if err := outcome(j, r.name(j)); err != nil || !hasResult(j) {
		return j, err
	}
	return j, printResult(ctx, c, j.ID, s.out)
}

// name is what messages call the job. One that runs here is called by its routine: it is
// gone afterwards, and its id would say nothing.
func (r *runCmd) name(j core.Job) string {
	if r.Remote {
		return "job " + j.ID
	}
	return r.Routine
}

// follow shows how the job goes, and what it prints if it runs here.
func (r *runCmd) follow(ctx context.Context, s streams, c *client.Client, j core.Job) (core.Job, error) {
	if !r.Remote {
		return followLog(ctx, s.err, c, r.Routine, j.ID)
	}
	id := j.ID
	if j.Skipped {
		fmt.Fprintf(s.err, "job %s waits already: no other was made\n", id)
	} else {
		fmt.Fprintf(s.err, "job %s\n", id)
	}
	j, err := follow(ctx, s.err, c, r.Routine, id)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintf(s.err, "job %s goes on without us: `thresher jobs stop %s` ends it\n", id, id)
	}
	return j, err
}

// hasResult reports whether a job wrote a result: a routine need not.
func hasResult(j core.Job) bool {
	return j.Phase == job.Completed && j.Outcome != nil && (j.Outcome.Result != nil || j.Outcome.ResultRef != nil)
}

func printResult(ctx context.Context, c *client.Client, id string, out io.Writer) error {
	body, err := c.Open(ctx, "/api/v1/jobs/"+id+"/result", "application/json")
	if err != nil {
		return err
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return printJSON(out, json.RawMessage(raw))
}

func (r *runCmd) request(ctx context.Context, s streams, c *client.Client) (core.Request, error) {
	req := core.Request{
		Routine: r.Routine, Seed: r.Seed, Labels: r.Label, Inputs: map[string]string{},
		Tenant: r.Tenant, Priority: r.Prio, After: r.After, Key: r.Key, SkipIfQueued: r.Skip,
	}
	if r.NoCache {
		req.Cache = "off"
	}
	var err error
	if req.Locks, err = r.locks(); err != nil {
		return req, err
	}
	if req.Params, err = readParams(ctx, c, r.Routine, r.Params, r.Param); err != nil {
		return req, err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Input)) {
		if req.Inputs[name], err = r.upload(ctx, s, c, name, r.Input[name]); err != nil {
			return req, err
		}
	}
	limits := job.Limits{MemoryBytes: int64(r.Memory), WallSeconds: r.Wall.Seconds(), CPUSeconds: r.CPU.Seconds(), Gas: r.Gas}
	if limits != (job.Limits{}) {
		req.Limits = &limits
	}
	return req, nil
}

func (r *runCmd) locks() (locks []job.Lock, err error) {
	for _, name := range slices.Sorted(maps.Keys(r.Lock)) {
		n, err := strconv.Atoi(r.Lock[name])
		if err != nil || n < 1 {
			return nil, &core.Invalid{Field: "lock", Message: fmt.Sprintf("%s=%s: want NAME=N, with the number of holders, 1 for a mutex", name, r.Lock[name])}
		}
		locks = append(locks, job.Lock{Name: name, Limit: n})
	}
	return locks, nil
}

// upload imports a file and returns the dataset's name. What is no file is taken
// for a dataset or a job's table, which only a server has.
func (r *runCmd) upload(ctx context.Context, s streams, c *client.Client, input, source string) (string, error) {
	f, err := os.Open(source)
	if err != nil {
		if !r.Remote {
			return "", &core.Invalid{Field: "input", Message: fmt.Sprintf("%s=%s: %v: want a file, or --remote for what is on the server", input, source, reason(err))}
		}
		if looksLikeFile(source) {
			return "", &core.Invalid{Field: "input", Message: fmt.Sprintf("%s=%s: %v: want a file, a dataset or job:ID/TABLE", input, source, reason(err))}
		}
		return source, nil
	}
	defer f.Close() // only read
	// A name of its own: files of one base name, and datasets that are there, stay
	// what they are.
	name := fmt.Sprintf("%s-%08x", cutName(datasetName(source)), rand.Uint32())
	return putFile(ctx, s, c, f, name, "")
}

// reason is why a file cannot be used, without its name.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// cutName leaves room for a suffix in a dataset's name.
func cutName(name string) string { return name[:min(len(name), 100)] }

func looksLikeFile(source string) bool {
	_, err := table.FormatOf(source, "")
	return err == nil || filepath.IsAbs(source) || strings.HasPrefix(source, ".")
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// datasetName makes a dataset's name of a file's.
func datasetName(path string) string {
	base := filepath.Base(path)
	name := strings.Trim(notInNames.ReplaceAllString(strings.TrimSuffix(base, filepath.Ext(base)), "-"), "-_")
	if name == "" {
		return "data"
	}
	return name
}

func putFile(ctx context.Context, s streams, c *client.Client, f *os.File, name, format string) (string, error) {
	if format == "" {
		told, err := table.FormatOf(f.Name(), "")
		if err != nil {
			return "", &core.Invalid{Field: "format", Message: err.Error()}
		}
		format = string(told)
	}
	info, err := f.Stat()
	if err != nil {
		return "", &core.Invalid{Field: "file", Message: err.Error()}
	}
	from := io.Reader(f)
	if info.Size() >= showFrom {
		p := newProgress(s.err, "upload "+name)
		defer p.end()
		from = p.reading(f, info.Size())
	}
	d, err := c.PutDataset(ctx, name, format, from)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	return d.Name, nil
}

// showFrom is how large an upload must be for its progress to be worth showing.
const showFrom = 16 << 20

// save writes everything a job left into a folder.
func save(ctx context.Context, c *client.Client, j core.Job, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	type file struct{ path, accept, name string }
	base := "/api/v1/jobs/" + j.ID
	files := []file{{base + "/logs", "*/*", "log.txt"}}
	if hasResult(j) {
		files = append(files, file{base + "/result", "application/json", "result.json"})
	}
	for _, a := range j.Outcome.Artifacts {
		files = append(files, file{base + "/artifacts/" + a.Name, "*/*", a.Name})
	}
	for _, t := range j.Outcome.Tables {
		files = append(files, file{base + "/tables/" + t.Name, "text/csv", t.Name + ".csv"})
	}
	for _, f := range files {
		if err := saveOne(ctx, c, f.path, f.accept, filepath.Join(dir, filepath.Base(f.name))); err != nil {
			return err
		}
	}
	return nil
}

func saveOne(ctx context.Context, c *client.Client, path, accept, target string) error {
	body, err := c.Open(ctx, path, accept)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(target)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, body); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
