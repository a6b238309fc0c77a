package work

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/jsonsize"
	"thresher/core/ledger"
	"thresher/core/table"
)

// progressEvery is the time between two published progress reports.
const progressEvery = 200 * time.Millisecond

// Outputs is what one guest has put out so far. The guest's goroutine writes it;
// anyone may read it.
type Outputs struct {
	id     string
	limits job.Limits
	blobs  *ledger.Blobs
	news   News
	now    func() time.Time

	state *guard.Value[outputs]
}

type outputs struct {
	log       []byte
	dropped   int64 // bytes of log past the limit
	progress  *job.Progress
	published time.Time // of the last progress
	tables    map[string]*table.Writer
	artifacts []job.Artifact
	listed    int      // bytes that artifacts take in the job's record
	bytes     int64    // of artifacts, and of tables as last told
	held      []string // blobs, until the record names them
}

func newOutputs(id string, limits job.Limits, blobs *ledger.Blobs, news News, now func() time.Time) *Outputs {
	return &Outputs{
		id: id, limits: limits, blobs: blobs, news: news, now: now,
		state: guard.New("outputs", guard.RankAttempt, outputs{tables: map[string]*table.Writer{}}),
	}
}

// LogText returns a copy of the log so far, and how many bytes were dropped.
func (o *Outputs) LogText() (text []byte, dropped int64) {
	o.state.Must(func(s *outputs) { text, dropped = bytes.Clone(s.log), s.dropped })
	return text, dropped
}

// logFrom returns a copy of the log from a byte on, and how many bytes were dropped.
func (o *Outputs) logFrom(at int64) (text []byte, dropped int64) {
	o.state.Must(func(s *outputs) { text, dropped = bytes.Clone(s.log[at:]), s.dropped })
	return text, dropped
}

// Progress returns the last progress reported, or nil.
func (o *Outputs) Progress() (p *job.Progress) {
	o.state.Must(func(s *outputs) { p = s.progress })
	return p
}

// Artifacts returns the artifacts so far, in the order they were made.
func (o *Outputs) Artifacts() (list []job.Artifact) {
	o.state.Must(func(s *outputs) { list = slices.Clone(s.artifacts) })
	return list
}

// Table returns a growing table, or nil if there is none of that name.
func (o *Outputs) Table(name string) (w *table.Writer) {
	o.state.Must(func(s *outputs) { w = s.tables[name] })
	return w
}

// Tables lists the growing tables by name.
func (o *Outputs) Tables() []job.Table {
	var list []job.Table
	for _, name := range o.tableNames() {
		list = append(list, job.Table{Name: name, Rows: o.Table(name).Rows()})
	}
	return list
}

func (o *Outputs) tableNames() (names []string) {
	o.state.Must(func(s *outputs) {
		for name := range s.tables {
			names = append(names, name)
		}
	})
	sort.Strings(names)
	return names
}

func (o *Outputs) setProgress(fraction float64, message string) {
	p := job.Progress{Fraction: min(max(fraction, 0), 1), Message: jsonsize.Cut(message, job.MaxProgress)}
	if fraction != fraction { // NaN
		p.Fraction = 0
	}
	now, publish := o.now(), false
	o.state.Must(func(s *outputs) {
		s.progress = &p
		if now.Sub(s.published) >= progressEvery {
			s.published, publish = now, true
		}
	})
	if publish {
		o.news.Progress(o.id, p)
	}
}

func (o *Outputs) appendLog(p []byte) {
	var kept []byte
	o.state.Must(func(s *outputs) {
		room := max(o.limits.LogBytes-int64(len(s.log)), 0)
		kept = p[:min(int64(len(p)), room)]
		s.log = append(s.log, kept...)
		s.dropped += int64(len(p) - len(kept))
	})
	if len(kept) > 0 {
		o.news.Log(o.id, bytes.Clone(kept))
	}
}

func (o *Outputs) append(name string, rows arrow.RecordBatch) error {
	w, err := o.writer(name, rows.Schema())
	if err != nil {
		return err
	}
	if !w.Schema().Equal(rows.Schema()) {
		return &job.Error{Code: "abi_violation", Title: "Rows do not fit the output table",
			Detail: fmt.Sprintf("table %s has %v; the rows have %v", name, w.Schema(), rows.Schema())}
	}
	if err := o.blobs.Room(); err != nil {
		return diskFull(err)
	}
	before := w.Bytes()
	if err := w.Append(rows); err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	return o.spend(w.Bytes() - before)
}

// diskFull ends a job that the disk has no room for.
func diskFull(err error) *job.Error {
	return &job.Error{Code: "disk_full", Title: "No room to keep the job's outputs", Detail: err.Error()}
}

// writer returns the growing table of that name, which the first call makes. Only
// the guest's goroutine makes tables, so nothing can come in between.
func (o *Outputs) writer(name string, schema *arrow.Schema) (*table.Writer, error) {
	if w := o.Table(name); w != nil {
		return w, nil
	}
	if err := checkName("table", name); err != nil {
		return nil, err
	}
	if len(o.tableNames()) >= job.MaxTables {
		return nil, job.OutputLimit("table limit (%d) reached creating %q", job.MaxTables, name)
	}
	w, err := table.Create(o.blobs.Temp(), schema)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	o.state.Must(func(s *outputs) { s.tables[name] = w })
	return w, nil
}

func checkName(what, name string) error {
	if job.ValidOutputName(name) {
		return nil
	}
	return &job.Error{Code: "abi_violation", Title: "Not a name for an output",
		Detail: fmt.Sprintf("%s %q: want up to 128 letters, digits, dots, dashes and underscores", what, jsonsize.Cut(name, job.MaxTitle))}
}

func (o *Outputs) addArtifact(ctx context.Context, name, media string, content Content) error {
	if err := checkName("artifact", name); err != nil {
		return err
	}
	taken := slices.ContainsFunc(o.Artifacts(), func(a job.Artifact) bool { return a.Name == name })
	if taken {
		return &job.Error{Code: "abi_violation", Title: "Two artifacts of one name", Detail: name}
	}
	if most := cmp.Or(o.limits.Artifacts, job.MaxArtifacts); len(o.Artifacts()) >= most {
		return artifactLimit("artifact limit (%d) reached creating %q", most, name)
	}
	entry := job.Artifact{Name: name, Media: media, Blob: job.Blob{Digest: longestDigest, Bytes: content.Size()}}
	if err := o.reserve(entry); err != nil {
		return err
	}
	if err := o.spend(content.Size()); err != nil {
		return err
	}
	blob, err := o.put(ctx, content)
	if errors.Is(err, ledger.ErrDiskFull) {
		return diskFull(err)
	}
	if err != nil {
		return fmt.Errorf("artifact %s: %w", name, err)
	}
	entry.Blob = blob
	o.state.Must(func(s *outputs) { s.artifacts = append(s.artifacts, entry) })
	return nil
}

// longestDigest stands for a digest that is not known yet: all have its length.
var longestDigest = strings.Repeat("0", 2*sha256.Size)

// reserve makes room for an artifact in the job's record, before its bytes are kept.
func (o *Outputs) reserve(a job.Artifact) error {
	if len(a.Media) > job.MaxMediaType {
		return &job.Error{Code: "abi_violation", Title: "Media type too long",
			Detail: fmt.Sprintf("the media type of artifact %q has %d bytes: the limit is %d", a.Name, len(a.Media), job.MaxMediaType)}
	}
	var listed, count int
	o.state.Must(func(s *outputs) {
		s.listed += a.JSONBytes()
		listed, count = s.listed, len(s.artifacts)
	})
	if listed <= job.MaxArtifactList {
		return nil
	}
	return artifactLimit("the list of artifacts would take %d bytes with %q, after %d others: the limit is %d; "+
		"shorten names and media types, or write fewer artifacts", listed, a.Name, count, job.MaxArtifactList)
}

func artifactLimit(format string, args ...any) *job.Error {
	return &job.Error{Code: "artifact_limit", Title: "The job made too many artifacts", Detail: fmt.Sprintf(format, args...)}
}

// spend charges n bytes to the output limit.
func (o *Outputs) spend(n int64) error {
	var total int64
	o.state.Must(func(s *outputs) {
		s.bytes += n
		total = s.bytes
	})
	if total <= o.limits.OutputBytes {
		return nil
	}
	return job.OutputLimit("limit %d bytes of results, tables and artifacts; it wanted %d", o.limits.OutputBytes, total)
}

func (o *Outputs) put(ctx context.Context, content Content) (job.Blob, error) {
	blob, err := o.blobs.Put(ctx, content, content.Size())
	if err != nil {
		return job.Blob{}, err
	}
	o.hold(blob.Digest)
	return job.Blob{Digest: blob.Digest, Bytes: blob.Bytes}, nil
}

// hold notes a blob that is held for us.
func (o *Outputs) hold(digest string) {
	o.state.Must(func(s *outputs) { s.held = append(s.held, digest) })
}

// seal makes everything durable and names it in the outcome.
func (o *Outputs) seal(ctx context.Context, result json.RawMessage, into *job.Outcome) error {
	if err := o.sealResult(ctx, result, into); err != nil {
		return err
	}
	for _, name := range o.tableNames() {
		sealed, err := o.Table(name).Seal()
		if err != nil {
			return fmt.Errorf("seal table %s: %w", name, err)
		}
		if _, err := o.blobs.Adopt(sealed.Path, sealed.Digest); err != nil {
			return fmt.Errorf("keep table %s: %w", name, err)
		}
		o.hold(sealed.Digest)
		into.Tables = append(into.Tables, job.Table{
			Name: name, Rows: sealed.Rows,
			Blob: job.Blob{Digest: sealed.Digest, Bytes: sealed.Bytes},
		})
	}
	into.Artifacts = o.Artifacts()
	into.Progress = o.Progress()
	var err error
	into.Log, err = o.sealLog(ctx)
	return err
}

func (o *Outputs) sealResult(ctx context.Context, result json.RawMessage, into *job.Outcome) error {
	if result == nil {
		return nil
	}
	if err := o.spend(int64(len(result))); err != nil {
		return err
	}
	if jsonsize.Raw(result) <= job.MaxResult {
		into.Result = result
		return nil
	}
	blob, err := o.put(ctx, bytes.NewReader(result))
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	into.ResultRef = &blob
	return nil
}

func (o *Outputs) sealLog(ctx context.Context) (*job.Log, error) {
	text, dropped := o.LogText()
	if len(text) == 0 && dropped == 0 {
		return nil, nil
	}
	blob, err := o.put(ctx, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("keep log: %w", err)
	}
	return &job.Log{Blob: blob, Dropped: dropped}, nil
}

// discard lets go of everything. What the record names stays; the rest is removed.
func (o *Outputs) discard() {
	var held []string
	o.state.Must(func(s *outputs) { held, s.held = s.held, nil })
	o.blobs.Release(held...)
	for _, name := range o.tableNames() {
		_ = o.Table(name).Close() // temporary files; the next start clears what stays
	}
}

// written returns how many bytes of outputs and of log there are.
func (o *Outputs) written() (output, log int64) {
	o.state.Must(func(s *outputs) { output, log = s.bytes, int64(len(s.log))+s.dropped })
	return output, log
}

// Progress implements [Host].
func (a *attempt) Progress(fraction float64, message string) { a.out.setProgress(fraction, message) }

// Log implements [Host].
func (a *attempt) Log(p []byte) { a.out.appendLog(p) }

// Append implements [Host].
func (a *attempt) Append(name string, rows arrow.RecordBatch) error { return a.out.append(name, rows) }

// Artifact implements [Host].
func (a *attempt) Artifact(ctx context.Context, name, mediaType string, content Content) error {
	return a.out.addArtifact(ctx, name, mediaType, content)
}

var _ Host = (*attempt)(nil)
