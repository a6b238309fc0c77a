package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"thresher/client"
	"thresher/core"
	"thresher/core/ledger"
	"thresher/plugins/registry"
)

// verifyCmd checks every record, and every stored file against its digest.
type verifyCmd struct {
	Data string `help:"Check this data folder, which no server may have open, instead of asking a server." type:"path"`
}

// Run checks, shows how far it is, and lists what is damaged.
func (v *verifyCmd) Run(ctx context.Context, s streams, c *commands) error {
	p := newProgress(s.err, "verify")
	found, err := v.check(ctx, c, p)
	p.end()
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.out, found)
	} else {
		err = showVerification(s.out, found)
	}
	if err == nil && len(found.Damaged)+len(found.DamagedRecords) > 0 {
		return &damageFound{len(found.Damaged), len(found.DamagedRecords)}
	}
	return err
}

// damageFound is the error of a command that has listed what is damaged.
type damageFound struct{ files, records int }

func (e *damageFound) Error() string {
	var text []string
	if e.records > 0 {
		text = append(text, fmt.Sprintf("records, index entries or files of the store damaged: %d: restore the newest backup into another folder (thresher restore BACKUP --data FOLDER)", e.records))
	}
	if e.files > 0 {
		text = append(text, fmt.Sprintf("stored files damaged: %d: put whole files in their place, by importing or uploading the same content again or from a backup, or delete what owns them", e.files))
	}
	return strings.Join(text, "; ")
}

func (e *damageFound) Unwrap() error { return ledger.ErrDamaged }

func showVerification(w io.Writer, v core.Verification) error {
	for _, d := range v.DamagedRecords {
		fmt.Fprintln(w, d)
	}
	for _, d := range v.Damaged {
		fmt.Fprintln(w, d)
	}
	_, err := fmt.Fprintf(w, "%d records: %d damaged\n%d files, %.1f MB: %d damaged\n", v.Records, len(v.DamagedRecords), v.Files, float64(v.Bytes)/1e6, len(v.Damaged))
	return err
}

func (v *verifyCmd) check(ctx context.Context, c *commands, p *progress) (core.Verification, error) {
	if v.Data != "" {
		shown := time.Now()
		return core.VerifyFolder(ctx, v.Data, registry.OpenModules, func(so ledger.Verified) {
			if time.Since(shown) >= showEvery {
				shown = time.Now()
				p.verified(so)
			}
		})
	}
	body, err := client.New(c.Server).Open(ctx, "/api/v1/verify", "application/x-ndjson")
	if err != nil {
		return core.Verification{}, err
	}
	defer body.Close() // only read
	lines := json.NewDecoder(body)
	for {
		var line struct {
			core.Verification
			Done  bool            `json:"done"`
			Error *client.Problem `json:"error"`
		}
		err := lines.Decode(&line)
		switch {
		case ctx.Err() != nil:
			return line.Verification, context.Cause(ctx)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return line.Verification, fmt.Errorf("verify: %w at %s: it ended before the check did", client.ErrUnreachable, c.Server)
		case err != nil:
			return line.Verification, fmt.Errorf("verify: %w", err)
		case line.Error != nil:
			return line.Verification, line.Error
		case line.Done:
			return line.Verification, nil
		}
		p.verified(line.Verified)
	}
}

// showEvery is how often progress is drawn.
const showEvery = 100 * time.Millisecond

func (p *progress) verified(v ledger.Verified) {
	fraction := float64(v.Bytes) / float64(max(v.OfBytes, 1))
	if v.OfFiles == 0 {
		p.at(0, fmt.Sprintf("%d records", v.Records), "records")
		return
	}
	p.at(fraction, fmt.Sprintf("%d of %d files, %.0f of %.0f MB", v.Files, v.OfFiles, float64(v.Bytes)/1e6, float64(v.OfBytes)/1e6), tenth(fraction))
}
