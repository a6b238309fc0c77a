package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/job"
	"thresher/core/routine"
	"thresher/core/table"
	"thresher/core/work"
)

// notebook is the host of a guest: it keeps all that the guest says. Only the
// goroutine that drives the guest uses it.
type notebook struct {
	dir       string
	left      int64 // bytes of output
	tables    map[string]*table.Writer
	artifacts map[string][]byte
	media     map[string]string
	log       bytes.Buffer
	fractions []float64
}

var _ work.Host = (*notebook)(nil)

func newNotebook(dir string, l job.Limits) *notebook {
	return &notebook{
		dir: dir, left: l.OutputBytes, tables: map[string]*table.Writer{}, artifacts: map[string][]byte{}, media: map[string]string{},
	}
}

func (n *notebook) close() {
	for _, w := range n.tables {
		_ = w.Close() // a temporary file
	}
}

// Gate implements work.Host.
func (n *notebook) Gate(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Progress implements work.Host.
func (n *notebook) Progress(fraction float64, _ string) {
	n.fractions = append(n.fractions[max(0, len(n.fractions)-maxFractions):], fraction)
}

const maxFractions = 1 << 20

// Log implements work.Host.
func (n *notebook) Log(p []byte) {
	n.log.Write(p[:min(len(p), max(0, int(limits.LogBytes)-n.log.Len()))])
}

// names are what outputs may be called: as the engine has it.
var names = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

func (n *notebook) spend(name string, bytes int64) error {
	if !names.MatchString(name) {
		return &job.Error{Code: "abi_violation", Title: "Not a name for an output", Detail: fmt.Sprintf("%q", name)}
	}
	if n.left -= bytes; n.left < 0 {
		return job.OutputLimit("no room is left for %q", name)
	}
	return nil
}

// Append implements work.Host.
func (n *notebook) Append(name string, rows arrow.RecordBatch) error {
	if err := n.spend(name, 8*rows.NumRows()*max(rows.NumCols(), 1)); err != nil {
		return err
	}
	w := n.tables[name]
	if w == nil {
		var err error
		if w, err = table.Create(n.dir, rows.Schema()); err != nil {
			return err
		}
		n.tables[name] = w
	}
	if !w.Schema().Equal(rows.Schema()) {
		return &job.Error{Code: "abi_violation", Title: "Rows do not fit the output table", Detail: name}
	}
	return w.Append(rows)
}

// Artifact implements work.Host.
func (n *notebook) Artifact(_ context.Context, name, media string, content work.Content) error {
	if err := n.spend(name, content.Size()); err != nil {
		return err
	}
	if _, taken := n.artifacts[name]; taken {
		return &job.Error{Code: "abi_violation", Title: "Two artifacts of one name", Detail: name}
	}
	all, err := io.ReadAll(content)
	n.artifacts[name], n.media[name] = all, media
	return err
}

// Outcome is all that a run left behind.
type Outcome struct {
	Result    json.RawMessage
	Tables    map[string]string // as JSON, an object a row
	Artifacts map[string][]byte
	Media     map[string]string // of the artifacts
	Log       string
	Fractions []float64 // of progress
	Steps     int       // that a simulation took

	rows int64 // of its largest table
}

// outcome reads the notebook.
func (n *notebook) outcome(result []byte) (Outcome, error) {
	o := Outcome{
		Result: bytes.Clone(result), Tables: map[string]string{}, Artifacts: n.artifacts, Media: n.media,
		Log: n.log.String(), Fractions: n.fractions,
	}
	for name, w := range n.tables {
		var text strings.Builder
		if err := table.WriteJSON(&text, w, 0, w.Rows()); err != nil {
			return o, fmt.Errorf("table %s: %w", name, err)
		}
		o.Tables[name] = text.String()
		o.rows = max(o.rows, w.Rows())
	}
	return o, nil
}

// differs says in what two outcomes differ; nil: in nothing. How often a simulation
// reports its progress may depend on nothing but its steps, so that is compared too.
func (o Outcome) differs(other Outcome) error {
	switch {
	case !bytes.Equal(o.Result, other.Result):
		return fmt.Errorf("the result differs: %s, and %s", cut(o.Result), cut(other.Result))
	case !maps.Equal(o.Tables, other.Tables):
		return fmt.Errorf("the tables differ: %v, and %v", sizes(o.Tables), sizes(other.Tables))
	case !maps.EqualFunc(o.Artifacts, other.Artifacts, bytes.Equal):
		return errors.New("the artifacts differ")
	case o.Log != other.Log:
		return errors.New("the log differs")
	case !slices.Equal(o.Fractions, other.Fractions):
		return fmt.Errorf("the progress differs: %d reports, and %d", len(o.Fractions), len(other.Fractions))
	}
	return nil
}

func cut(text []byte) string {
	if len(text) == 0 {
		return "none"
	}
	return string(text[:min(len(text), 200)])
}

func sizes(tables map[string]string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		list = append(list, fmt.Sprintf("%s of %d bytes", name, len(tables[name])))
	}
	return list
}

// progressIsFair holds the progress against what docs/abi.md says of it.
func (o Outcome) progressIsFair() error {
	if len(o.Fractions) == 0 {
		return skip("it reports none")
	}
	for _, f := range o.Fractions {
		if math.IsNaN(f) || f < 0 || f > 1 {
			return fmt.Errorf("%v: want 0 to 1", f)
		}
	}
	return nil
}

// outputsAreDeclared holds tables and charts against the manifest and their media type.
func (o Outcome) outputsAreDeclared(r routine.Routine) error {
	for _, name := range slices.Sorted(maps.Keys(o.Tables)) {
		if !slices.ContainsFunc(r.Outputs, func(out routine.Output) bool { return out.Name == name }) {
			return fmt.Errorf("it wrote the table %s, which the manifest does not name", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Artifacts)) {
		if strings.HasPrefix(o.Media[name], "application/vnd.vegalite") && !json.Valid(o.Artifacts[name]) {
			return fmt.Errorf("the chart %s is not JSON", name)
		}
	}
	return nil
}
