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
	File        string `arg:"" help:"The archive to write; must not exist." type:"path"`
	SkipDamaged bool   `help:"Leave damaged files out, and list them in the archive. Without it damage is an error."`
}

// Run writes the archive, and keeps it only if it is whole.
func (b *backupCmd) Run(ctx context.Context, s streams, c *commands) error {
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
	path := "/api/v1/backup?skip_damaged=" + strconv.FormatBool(b.SkipDamaged)
	if _, err := copyFrom(ctx, client.New(c.Server), f, path, "application/x-tar", 0); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, err := core.ReadManifest(f)
	if err := errors.Join(err, f.Sync()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.Rename(part, b.File); err != nil {
		return err
	}
	return showManifest(s, c, b.File, m)
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
	File        string `arg:"" help:"The archive." type:"path"`
	Data        string `help:"The data folder to make; must be empty or not exist." required:"" type:"path"`
	SkipDamaged bool   `help:"Restore all else where files in the archive are damaged or missing."`
}

// Run restores.
func (r *restoreCmd) Run(ctx context.Context, s streams, c *commands) error {
	f, err := os.Open(r.File)
	if err != nil {
		return &core.Invalid{Field: "file", Message: err.Error()}
	}
	defer f.Close() // only read
	m, err := core.Restore(ctx, f, r.Data, core.Restoring{SkipDamaged: r.SkipDamaged})
	if err != nil {
		return err
	}
	return showManifest(s, c, r.Data, m)
}
