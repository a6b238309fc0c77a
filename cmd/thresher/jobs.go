package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thresher/client"
	"thresher/core"
	"thresher/core/job"
)

// jobsCmd is about jobs. An ID of "last" is the newest job.
type jobsCmd struct {
	Ls     jobsLs     `cmd:"" help:"List jobs, newest first."`
	Get    jobsGet    `cmd:"" help:"Show a job."`
	Watch  jobsWatch  `cmd:"" help:"Follow a job to its end."`
	Logs   jobsLogs   `cmd:"" help:"Print a job's log."`
	Result jobsResult `cmd:"" help:"Print a job's result."`
	Table  jobsTable  `cmd:"" help:"Print an output table as CSV."`
	Save   jobsSave   `cmd:"" help:"Save result, artifacts, tables and log in a folder."`
	Pause  jobsPause  `cmd:"" help:"Pause jobs."`
	Resume jobsResume `cmd:"" help:"Resume paused jobs."`
	Stop   jobsStop   `cmd:"" help:"Stop jobs."`
	Retry  jobsRetry  `cmd:"" help:"Retry jobs that have ended: submit them again as new jobs."`
	Pin    jobsPin    `cmd:"" help:"Pin jobs so that retention does not delete them."`
	Unpin  jobsUnpin  `cmd:"" help:"Unpin jobs so that retention may delete them."`
	Rm     jobsRm     `cmd:"" help:"Delete jobs that have ended."`
	Bulk   jobsBulk   `cmd:"" help:"Pause, resume, stop, retry, delete, pin or unpin every job that a filter selects."`
}

// jobFilter selects jobs.
type jobFilter struct {
	Phase   []string    `help:"Only jobs in this phase, or in one of these, separated by commas."`
	Error   string      `help:"Only jobs that failed with this code." placeholder:"CODE"`
	Text    string      `help:"Only jobs with these words in the detail of their failure. The last may be the beginning of a word." placeholder:"WORDS"`
	Plugin  string      `help:"Only jobs of this plugin: NAME, or NAME@VERSION."`
	Routine string      `help:"Only jobs of this routine."`
	Tenant  string      `help:"Only this tenant's jobs."`
	Batch   string      `help:"Only jobs of this batch."`
	Bulk    string      `help:"Only jobs that this bulk action made." placeholder:"ID"`
	Label   uniquePairs `help:"Only jobs with this label: KEY=VALUE, or KEY=BEGINNING* for values that begin so." placeholder:"KEY=VALUE"`
	From    moment      `help:"Only jobs created at this time or later." placeholder:"TIME"`
	To      moment      `help:"Only jobs created before this time." placeholder:"TIME"`
}

func (f jobFilter) filter() core.Filter {
	selects := core.Filter{
		Error: f.Error, Text: f.Text, Plugin: f.Plugin, Routine: f.Routine, Tenant: f.Tenant, Batch: f.Batch, Bulk: f.Bulk,
		From: f.From.Time, To: f.To.Time, Labels: map[string]string{}, LabelPrefixes: map[string]string{},
	}
	for _, p := range f.Phase {
		selects.Phases = append(selects.Phases, job.Phase(p))
	}
	for key, value := range f.Label {
		if beginning, ok := strings.CutSuffix(value, "*"); ok {
			selects.LabelPrefixes[key] = beginning
			continue
		}
		selects.Labels[key] = value
	}
	return selects
}

// moment is a time that a flag gives.
type moment struct{ time.Time }

// UnmarshalText reads a time as RFC 3339 writes it.
func (m *moment) UnmarshalText(text []byte) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, string(text)); err != nil {
		return fmt.Errorf("%q: want a time as RFC 3339 writes it, such as 2026-01-31T13:00:00Z", text)
	}
	return nil
}

type jobsLs struct {
	jobFilter
	Limit  int    `help:"How many." default:"20"`
	Cursor string `help:"Where the page before ended."`
}

// Run lists a page.
func (l *jobsLs) Run(ctx context.Context, io streams, c *commands) error {
	query := url.Values{"limit": {strconv.Itoa(l.Limit)}}
	for key, value := range map[string]string{
		"phase": strings.Join(l.Phase, ","), "error": l.Error, "text": l.Text, "plugin": l.Plugin, "routine": l.Routine, "tenant": l.Tenant, "batch": l.Batch, "bulk": l.Bulk, "cursor": l.Cursor,
		"from": stamp(l.From.Time), "to": stamp(l.To.Time),
	} {
		if value != "" {
			query.Set(key, value)
		}
	}
	for k, v := range l.Label {
		query.Add("label", k+"="+v)
	}
	page, err := client.New(c.Server).Jobs(ctx, query)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, page)
	}
	err = list(io.out, "ID\tROUTINE\tPHASE\tAGE\t", func(line func(string, ...any)) {
		for _, j := range page.Jobs {
			line("%s\t%s\t%s\t%s\t%s", j.ID, j.Spec.Routine, j.Phase, age(j.Created), remark(j))
		}
	})
	if page.Next != "" {
		fmt.Fprintf(io.err, "more: --cursor %s\n", page.Next)
	}
	return err
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// remark is what is worth saying of a job in a list.
func remark(j core.Job) string {
	switch {
	case j.Waiting != nil:
		return waits(*j.Waiting)
	case j.Progress != nil:
		return fmt.Sprintf("%.0f %% %s", 100*j.Progress.Fraction, j.Progress.Message)
	case j.Outcome != nil && j.Outcome.Error != nil:
		return j.Outcome.Error.Code
	case j.CacheHit != "":
		return "from the cache: ran as " + j.CacheHit
	}
	return ""
}

// waits says what a job waits for, and who lends it a priority.
func waits(w core.Waiting) string {
	text := "waits for " + w.On
	if strings.HasPrefix(w.On, "plugin ") && w.On != "plugin slots" { // plugin NAME@VERSION is …
		text = "waits: " + w.On
	}
	switch n := len(w.Paused); {
	case n == 1:
		text += ": job " + w.Paused[0] + " is paused"
	case n > 1:
		text += fmt.Sprintf(": %d jobs are paused, such as %s", n, w.Paused[0])
	}
	if w.LentBy != "" {
		text += fmt.Sprintf(", with priority %s lent by %s", w.Priority, w.LentBy)
	}
	return text
}

// idArg names a job.
type idArg struct {
	ID string `arg:"" help:"The job's id, or last."`
}

func (a idArg) resolve(ctx context.Context, c *client.Client) (string, error) {
	if a.ID != "last" {
		return a.ID, nil
	}
	page, err := c.Jobs(ctx, url.Values{"limit": {"1"}})
	if err == nil && len(page.Jobs) == 0 {
		err = fmt.Errorf("there is no job: %w", core.ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	return page.Jobs[0].ID, nil
}

// open finds the job and a client.
func (a idArg) open(ctx context.Context, server string) (*client.Client, string, error) {
	c := client.New(server)
	id, err := a.resolve(ctx, c)
	return c, id, err
}

type jobsGet struct{ idArg }

// Run shows the job.
func (g *jobsGet) Run(ctx context.Context, io streams, c *commands) error {
	cl, id, err := g.open(ctx, c.Server)
	if err != nil {
		return err
	}
	j, err := cl.Job(ctx, id)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, j)
	}
	return showJob(io.out, j)
}

type jobsWatch struct{ idArg }

// Run follows the job; its exit code tells how it ended.
func (w *jobsWatch) Run(ctx context.Context, io streams, c *commands) error {
	cl, id, err := w.open(ctx, c.Server)
	if err != nil {
		return err
	}
	j, err := follow(ctx, io.err, cl, id, id)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(io.out, j); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(io.out, j.Phase)
	}
	return outcome(j, "job "+id)
}

type jobsLogs struct {
	idArg
	Follow  bool `short:"f" help:"Print what comes until the job has ended."`
	Attempt int  `help:"Print the log of that attempt, from 1; default the last." placeholder:"N"`
}

// Run prints the log.
func (l *jobsLogs) Run(ctx context.Context, s streams, c *commands) error {
	cl, id, err := l.open(ctx, c.Server)
	if err != nil {
		return err
	}
	out := s.out
	if c.JSON {
		lines := &logLines{out: json.NewEncoder(s.out)}
		defer lines.flush()
		out = lines
	}
	log := newTail(cl, id, out)
	if l.Attempt != 0 {
		log.path += "?attempt=" + strconv.Itoa(l.Attempt)
	}
	if l.Follow {
		_, err := log.watch(ctx, id, func(core.Job) {})
		return err
	}
	return log.more(ctx)
}

// logLines writes each line of a log as a line of JSON.
type logLines struct {
	out  *json.Encoder
	rest []byte // of a line whose end is still to come
}

func (l *logLines) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if err := l.out.Encode(map[string]string{"line": string(line)}); err != nil {
			return 0, err
		}
		l.rest = rest
	}
}

func (l *logLines) flush() {
	if len(l.rest) > 0 {
		_, _ = l.Write([]byte("\n")) // nothing follows that could fail
	}
}

// copyFrom prints what is at a path, without its first bytes.
func copyFrom(ctx context.Context, c *client.Client, w io.Writer, path, accept string, skip int64) (int64, error) {
	body, err := c.Open(ctx, path, accept)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if _, err := io.CopyN(io.Discard, body, skip); err != nil {
		return 0, nil // no more than there was
	}
	return io.Copy(w, body)
}

type jobsResult struct{ idArg }

// Run prints the result.
func (r *jobsResult) Run(ctx context.Context, io streams, c *commands) error {
	cl, id, err := r.open(ctx, c.Server)
	if err != nil {
		return err
	}
	return printResult(ctx, cl, id, io.out)
}

type jobsTable struct {
	idArg
	Name string `arg:"" help:"The table's name."`
}

// Run prints the table.
func (t *jobsTable) Run(ctx context.Context, io streams, c *commands) error {
	cl, id, err := t.open(ctx, c.Server)
	if err != nil {
		return err
	}
	path := "/api/v1/jobs/" + id + "/tables/" + url.PathEscape(t.Name)
	if c.JSON {
		return printRows(ctx, cl, io.out, path)
	}
	_, err = copyFrom(ctx, cl, io.out, path, "text/csv", 0)
	return err
}

// printRows prints a table's rows, each as a line of JSON.
func printRows(ctx context.Context, c *client.Client, w io.Writer, path string) error {
	for from := int64(0); ; {
		var page struct {
			To, Rows int64
			Data     []json.RawMessage
		}
		if err := c.Get(ctx, fmt.Sprintf("%s?from=%d", path, from), &page); err != nil {
			return err
		}
		for _, row := range page.Data {
			if _, err := fmt.Fprintf(w, "%s\n", row); err != nil {
				return err
			}
		}
		if page.To >= page.Rows || page.To <= from {
			return nil
		}
		from = page.To
	}
}

type jobsSave struct {
	idArg
	Dir string `arg:"" help:"The folder." type:"path"`
}

// Run saves what the job left.
func (s *jobsSave) Run(ctx context.Context, io streams, c *commands) error {
	cl, id, err := s.open(ctx, c.Server)
	if err != nil {
		return err
	}
	j, err := cl.Job(ctx, id)
	if err != nil {
		return err
	}
	if !j.Phase.Final() {
		return &core.Invalid{Field: "id", Message: "job " + j.ID + " is " + string(j.Phase) + ": only jobs that have ended can be saved"}
	}
	if err := save(ctx, cl, j, s.Dir); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, map[string]string{"id": id, "folder": s.Dir})
	}
	_, err = fmt.Fprintln(io.out, "saved in", s.Dir)
	return err
}

// idArgs names jobs.
type idArgs struct {
	IDs []string `arg:"" name:"id" help:"The jobs' ids, or last."`
}

// each does something with every job, and prints what became of it.
func (a idArgs) each(ctx context.Context, s streams, c *commands, do func(*client.Client, string) (did, error)) error {
	cl := client.New(c.Server)
	for _, id := range a.IDs {
		id, err := idArg{id}.resolve(ctx, cl)
		if err != nil {
			return err
		}
		said, err := do(cl, id)
		if err != nil {
			return err
		}
		if err := said.print(s.out, c.JSON); err != nil {
			return err
		}
	}
	return nil
}

// did is what became of a thing: a line of text, or a line of JSON.
type did struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Desired string `json:"desired,omitempty"` // where that is not yet so
	RetryID string `json:"retry,omitempty"`   // the new job
}

func (d did) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(d)
	}
	text := d.ID + " " + d.State
	if d.Desired != "" {
		text += " (wants " + d.Desired + ")"
	}
	if d.RetryID != "" {
		text += " as " + d.RetryID
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func ask(ctx context.Context, what string) func(*client.Client, string) (did, error) {
	return func(cl *client.Client, id string) (did, error) {
		j, err := cl.Ask(ctx, id, what)
		said := did{ID: id, State: string(j.Phase)}
		if !j.Phase.Final() && !settled(j) {
			said.Desired = string(j.Desired)
		}
		return said, err
	}
}

// settled reports whether a job is as its user wants it.
func settled(j core.Job) bool {
	return (j.Desired == job.WantRun) == (j.Phase != job.Paused)
}

type jobsRetry struct {
	idArgs
	Newest bool `help:"Run the newest version on the newest data, not what the job ran."`
}

// Run retries.
func (a *jobsRetry) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, func(cl *client.Client, id string) (did, error) {
		j, err := cl.Ask(ctx, id, "retry?newest="+strconv.FormatBool(a.Newest))
		return did{ID: id, State: "retried", RetryID: j.ID}, err
	})
}

type (
	jobsPin    struct{ idArgs }
	jobsUnpin  struct{ idArgs }
	jobsPause  struct{ idArgs }
	jobsResume struct{ idArgs }
	jobsStop   struct{ idArgs }
	jobsRm     struct{ idArgs }
)

// Run pins.
func (a *jobsPin) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, ask(ctx, "pin"))
}

// Run unpins.
func (a *jobsUnpin) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, ask(ctx, "unpin"))
}

// Run pauses.
func (a *jobsPause) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, ask(ctx, "pause"))
}

// Run resumes.
func (a *jobsResume) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, ask(ctx, "resume"))
}

// Run stops.
func (a *jobsStop) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, ask(ctx, "stop"))
}

// Run deletes.
func (a *jobsRm) Run(ctx context.Context, s streams, c *commands) error {
	return a.each(ctx, s, c, func(cl *client.Client, id string) (did, error) {
		return did{ID: id, State: "deleted"}, cl.Delete(ctx, id)
	})
}
