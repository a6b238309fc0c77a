package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"thresher/core/ledger"
	"thresher/core/table"
)

// Dataset is a named set of tables.
type Dataset struct {
	Name     string         `json:"name"`
	Created  time.Time      `json:"created"`
	Tables   []DatasetTable `json:"tables"`
	Revision uint64         `json:"revision,omitempty"`
}

// DatasetTable is one sealed table of a dataset.
type DatasetTable struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // SHA-256 of its Arrow file, hex
	Bytes  int64  `json:"bytes"`
	table.Info
}

func (t DatasetTable) blob() ledger.Blob { return ledger.Blob{Digest: t.Digest, Bytes: t.Bytes} }

func (d Dataset) blobs() (list []ledger.Blob) {
	for _, t := range d.Tables {
		list = append(list, t.blob())
	}
	return list
}

func (d Dataset) table(name string) (DatasetTable, bool) {
	for _, t := range d.Tables {
		if t.Name == name {
			return t, true
		}
	}
	return DatasetTable{}, false
}

func (d Dataset) tableNames() []string {
	names := make([]string, len(d.Tables))
	for i, t := range d.Tables {
		names[i] = t.Name
	}
	return names
}

const maxDatasetName = 128 // bytes

var datasetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// PutDataset imports a table and gives it a name. A dataset that has the name
// already is replaced; jobs keep the tables that they were submitted with. A
// broken import leaves nothing behind and changes nothing.
func (e *Engine) PutDataset(ctx context.Context, name string, f table.Format, r io.Reader, progress func(read, rows int64)) (Dataset, error) {
	if err := e.roomForMore(); err != nil {
		return Dataset{}, err
	}
	if !datasetName.MatchString(name) {
		return Dataset{}, invalid("name", "%q: want up to 128 letters, digits, dashes and underscores", name)
	}
	sealed, err := table.Import(ctx, roomyReader{r, e.ledger.Blobs()}, f, e.ledger.Blobs().Temp(), progress)
	if err != nil {
		return Dataset{}, fmt.Errorf("import %s: %w", name, err)
	}
	defer os.Remove(sealed.Path) // gone already once adopted
	blob, err := e.ledger.Blobs().Adopt(sealed.Path, sealed.Digest)
	if err != nil {
		return Dataset{}, fmt.Errorf("import %s: %w", name, err)
	}
	defer e.ledger.Blobs().Release(blob.Digest) // the record holds it
	return e.nameDataset(ctx, Dataset{
		Name:    name,
		Created: e.cfg.Now().UTC(),
		Tables: []DatasetTable{{
			Name: DefaultTable, Digest: blob.Digest, Bytes: blob.Bytes, Info: sealed.Info,
		}},
	})
}

// roomForMore returns why no file may come, or nil.
func (e *Engine) roomForMore() error {
	if err := e.closed(); err != nil {
		return err
	}
	return e.ledger.Room()
}

// roomyReader fails where the disk has no room left for what is read.
type roomyReader struct {
	io.Reader
	blobs *ledger.Blobs
}

func (r roomyReader) Read(p []byte) (int, error) {
	if err := r.blobs.Room(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (e *Engine) nameDataset(ctx context.Context, d Dataset) (Dataset, error) {
	d.Revision = 0
	entry, err := e.datasets.Modify(ctx, d.Name, func(*Dataset) (*Dataset, error) { return &d, nil })
	if err != nil {
		return Dataset{}, err
	}
	d.Revision = entry.Revision
	return d, nil
}

// Dataset returns one dataset.
func (e *Engine) Dataset(ctx context.Context, name string) (Dataset, error) {
	entry, err := e.datasets.Get(ctx, name)
	if errors.Is(err, ledger.ErrNotFound) {
		return Dataset{}, fmt.Errorf("dataset %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return Dataset{}, fmt.Errorf("dataset %s: %w", name, err)
	}
	d := entry.Value
	d.Revision = entry.Revision
	return d, nil
}

// Datasets lists the datasets by name, 10 000 at most, and says how many there are.
func (e *Engine) Datasets(ctx context.Context) (list []Dataset, total int, err error) {
	entries, _, err := e.datasets.List(ctx, ledger.Query{Ascending: true, Limit: maxDatasets})
	if err != nil {
		return nil, 0, fmt.Errorf("list datasets: %w", err)
	}
	if total, err = e.datasets.Count(ctx, ""); err != nil {
		return nil, 0, fmt.Errorf("count datasets: %w", err)
	}
	list = make([]Dataset, len(entries))
	for i, entry := range entries {
		list[i] = entry.Value
		list[i].Revision = entry.Revision
	}
	slices.SortFunc(list, func(a, b Dataset) int { return strings.Compare(a.Name, b.Name) })
	return list, total, nil
}

const maxDatasets = 10_000 // that a list shows

// DatasetTable opens a table of a dataset. An empty name means its only one.
func (e *Engine) DatasetTable(ctx context.Context, name, tbl string) (Table, error) {
	d, err := e.Dataset(ctx, name)
	if err != nil {
		return nil, err
	}
	if tbl == "" && len(d.Tables) == 1 {
		tbl = d.Tables[0].Name
	}
	t, ok := d.table(tbl)
	if !ok {
		return nil, notAmong("dataset "+name, "table", tbl, d.tableNames())
	}
	return e.openTable(ctx, t.blob(), datasetOwner(name, t.Name))
}

// DeleteDataset removes a dataset's name. Jobs that were submitted with it still
// read its tables.
func (e *Engine) DeleteDataset(ctx context.Context, name string) error {
	_, err := e.datasets.Modify(ctx, name, func(d *Dataset) (*Dataset, error) {
		if d == nil {
			return nil, fmt.Errorf("dataset %s: %w", name, ErrNotFound)
		}
		return nil, nil
	})
	return err
}
