package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/table"
	"thresher/core/work"
)

// desk is a Host that does with what a guest hands over what the server does.
type desk struct {
	dir    string
	log    []byte
	tables map[string]*table.Writer
}

func newDesk(dir string) (*desk, error) {
	own, err := os.MkdirTemp(dir, "job-")
	return &desk{dir: own, tables: map[string]*table.Writer{}}, err
}

func (d *desk) close() (err error) {
	for _, w := range d.tables {
		err = errors.Join(err, w.Close())
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

func (d *desk) Held() bool                     { return false }
func (d *desk) Gate(ctx context.Context) error { return context.Cause(ctx) }
func (d *desk) Progress(float64, string)       {}

func (d *desk) Log(p []byte) {
	kept := p[:min(len(p), max(1<<20-len(d.log), 0))]
	d.log = append(d.log, bytes.Clone(kept)...)
}

func (d *desk) Append(name string, rows arrow.RecordBatch) (err error) {
	w := d.tables[name]
	if w == nil {
		if w, err = table.Create(d.dir, rows.Schema()); err != nil {
			return err
		}
		d.tables[name] = w
	}
	return w.Append(rows)
}

func (d *desk) Artifact(_ context.Context, _, _ string, content work.Content) error {
	f, err := os.CreateTemp(d.dir, "")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(io.MultiWriter(f, sha256.New()), content); err != nil {
		return err
	}
	return f.Sync()
}

var _ work.Host = (*desk)(nil)
