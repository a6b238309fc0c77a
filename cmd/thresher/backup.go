package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"thresher/client"
	"thresher/core"
)

// backupCmd takes an archive of a server.
type backupCmd struct {
	File        string `arg:"" help:"The archive to write, which must not exist; - for standard output." type:"path"`
	SkipDamaged bool   `help:"Leave damaged files out, and list them in the archive. Without it damage is an error."`
}

// Run writes the archive. A file is kept only if it is whole.
func (b *backupCmd) Run(ctx context.Context, s streams, c *commands) error {
	if b.File == "-" {
		return b.toOutput(ctx, s, c)
	}
	if _, err := os.Stat(b.File); err == nil {
		return &core.Invalid{Field: "file", Message: b.File + " exists already: name another file"}
	}
	part := b.File + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return &core.Invalid{Field: "file", Message: err.Error()}
	}
	defer os.Remove(part) // gone already once it has its name
	defer f.Close()
	m, err := b.write(ctx, c, f)
	if err := errors.Join(err, f.Sync()); err != nil {
		return err
	}
	if err := os.Rename(part, b.File); err != nil {
		return err
	}
	return showManifest(s, c, b.File, m)
}

// toOutput writes the archive to standard output, and what it holds to standard error.
func (b *backupCmd) toOutput(ctx context.Context, s streams, c *commands) error {
	if _, terminal := s.out.(*plain); terminal {
		return &core.Invalid{Field: "file", Message: "-: standard output is a terminal: redirect it, or name a file"}
	}
	m, err := b.write(ctx, c, s.out)
	if err != nil {
		return err
	}
	return showManifest(streams{out: s.err, err: s.err}, c, "standard output", m)
}

// write copies the archive, and reads it on the way: its end says whether it is whole.
func (b *backupCmd) write(ctx context.Context, c *commands, to io.Writer) (core.BackupManifest, error) {
	path := "/api/v1/backup?skip_damaged=" + strconv.FormatBool(b.SkipDamaged)
	archive, err := client.New(c.Server).Open(ctx, path, "application/x-tar")
	if err != nil {
		return core.BackupManifest{}, err
	}
	defer archive.Close()
	copied := io.TeeReader(archive, to)
	m, err := core.ReadManifest(copied)
	if err == nil {
		_, err = io.Copy(io.Discard, copied) // what follows the end of an archive
	}
	if err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	return m, nil
}

func showManifest(s streams, c *commands, file string, m core.BackupManifest) error {
	if c.JSON {
		return printJSON(s.out, m)
	}
	for _, d := range m.Damaged {
		fmt.Fprintf(s.err, "left out: %s\n", d)
	}
	_, err := fmt.Fprintf(s.out, "%s: %d jobs, %d datasets, %d files, as of %s\n",
		file, m.Records["jobs"], m.Records["datasets"], m.Blobs, m.Created.Format("2006-01-02 15:04:05 MST"))
	return err
}

// restoreCmd makes a data folder of an archive.
type restoreCmd struct {
	File        string `arg:"" help:"The archive; - for standard input." type:"path"`
	Data        string `help:"The data folder to make; must be empty or not exist." required:"" type:"path"`
	SkipDamaged bool   `help:"Restore all else where files in the archive are damaged or missing."`
}

// Run restores.
func (r *restoreCmd) Run(ctx context.Context, s streams, c *commands) error {
	archive := s.in
	if r.File != "-" {
		f, err := os.Open(r.File)
		if err != nil {
			return &core.Invalid{Field: "file", Message: err.Error()}
		}
		defer f.Close() // only read
		archive = f
	}
	m, err := core.Restore(ctx, archive, r.Data, core.Restoring{SkipDamaged: r.SkipDamaged})
	if err != nil {
		return err
	}
	return showManifest(s, c, r.Data, m)
}
