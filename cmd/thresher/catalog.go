package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"thresher/client"
	"thresher/core"
)

// datasetsCmd is about datasets.
type datasetsCmd struct {
	Put  datasetsPut  `cmd:"" help:"Import a file under a name."`
	Ls   datasetsLs   `cmd:"" help:"List datasets."`
	Show datasetsShow `cmd:"" help:"Show a dataset's columns."`
	Rm   datasetsRm   `cmd:"" help:"Delete datasets."`
}

type datasetsPut struct {
	Name   string `arg:"" help:"The dataset's name."`
	File   string `arg:"" help:"The file, or - for standard input."`
	Format string `help:"csv, json, ndjson or arrow; otherwise the file's name tells."`

	Importer string `help:"The routine of a plugin that reads the file: PLUGIN/ROUTINE, such as formats/tsv." placeholder:"ROUTINE"`
	Param    pairs  `help:"A param of the importer, as for run." short:"p" placeholder:"NAME=VALUE"`
	Params   string `help:"All of its params as a JSON object, or @FILE." placeholder:"JSON"`
}

// Run imports.
func (p *datasetsPut) Run(ctx context.Context, s streams, c *commands) error {
	cl := client.New(c.Server)
	if p.Importer != "" {
		return p.imported(ctx, s, c, cl)
	}
	if p.File == "-" {
		if p.Format == "" {
			return &core.Invalid{Field: "format", Message: "name the format of standard input with --format"}
		}
		d, err := cl.PutDataset(ctx, p.Name, p.Format, s.in)
		if err != nil {
			return err
		}
		return showDataset(s, c, d)
	}
	f, err := os.Open(p.File)
	if err != nil {
		return &core.Invalid{Field: "file", Message: err.Error()}
	}
	defer f.Close() // only read
	if _, err := putFile(ctx, s, cl, f, p.Name, p.Format); err != nil {
		return err
	}
	return (&datasetsShow{p.Name}).Run(ctx, s, c)
}

// imported lets a plugin import.
func (p *datasetsPut) imported(ctx context.Context, s streams, c *commands, cl *client.Client) error {
	params, err := readParams(ctx, cl, p.Importer, p.Params, p.Param)
	if err != nil {
		return err
	}
	from := s.in
	if p.File != "-" {
		f, err := os.Open(p.File)
		if err != nil {
			return &core.Invalid{Field: "file", Message: err.Error()}
		}
		defer f.Close() // only read
		from = f
	}
	d, err := cl.ImportDataset(ctx, p.Name, p.Importer, params, from)
	if err != nil {
		return fmt.Errorf("%s: %w", p.File, err)
	}
	return showDataset(s, c, d)
}

type datasetsLs struct{}

// Run lists.
func (datasetsLs) Run(ctx context.Context, s streams, c *commands) error {
	var found struct {
		Datasets []core.Dataset `json:"datasets"`
	}
	if err := client.New(c.Server).Get(ctx, "/api/v1/datasets", &found); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, found)
	}
	return list(s.out, "NAME\tTABLE\tROWS\tCOLUMNS\tBYTES\tAGE", func(line func(string, ...any)) {
		for _, d := range found.Datasets {
			for _, t := range d.Tables {
				line("%s\t%s\t%d\t%d\t%d\t%s", d.Name, t.Name, t.Rows, len(t.Columns), t.Bytes, age(d.Created))
			}
		}
	})
}

type datasetsShow struct {
	Name string `arg:"" help:"The dataset's name."`
}

// Run shows.
func (d *datasetsShow) Run(ctx context.Context, s streams, c *commands) error {
	var found core.Dataset
	if err := client.New(c.Server).Get(ctx, "/api/v1/datasets/"+d.Name, &found); err != nil {
		return err
	}
	return showDataset(s, c, found)
}

func showDataset(s streams, c *commands, d core.Dataset) error {
	if c.JSON {
		return printJSON(s.out, d)
	}
	for _, t := range d.Tables {
		fmt.Fprintf(s.out, "%s/%s: %d rows, %d bytes\n", d.Name, t.Name, t.Rows, t.Bytes)
		if err := list(s.out, "COLUMN\tTYPE\tNULLS", func(line func(string, ...any)) {
			for _, col := range t.Columns {
				line("%s\t%s\t%d", col.Name, col.Type, col.Nulls)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

type datasetsRm struct {
	Names []string `arg:"" name:"name" help:"The datasets' names."`
}

// Run deletes.
func (d *datasetsRm) Run(ctx context.Context, s streams, c *commands) error {
	for _, name := range d.Names {
		if err := client.New(c.Server).DeleteDataset(ctx, name); err != nil {
			return err
		}
		if err := (did{ID: name, State: "deleted"}).print(s.out, c.JSON); err != nil {
			return err
		}
	}
	return nil
}

// routinesCmd lists what can be run.
type routinesCmd struct {
	Routine string `arg:"" optional:"" help:"PLUGIN/ROUTINE to show."`
}

// Run lists, or shows one.
func (r *routinesCmd) Run(ctx context.Context, s streams, c *commands) error {
	if r.Routine != "" {
		return r.show(ctx, s, c)
	}
	var found struct {
		Plugins []core.Plugin `json:"plugins"`
	}
	if err := client.New(c.Server).Get(ctx, "/api/v1/routines", &found); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, found)
	}
	return list(s.out, "ROUTINE\tKIND\tVERSION\tTITLE", func(line func(string, ...any)) {
		for _, p := range found.Plugins {
			for _, d := range p.Routines {
				line("%s/%s\t%s\t%s\t%s", p.Name, d.Name, d.Kind, p.Version, d.Title)
			}
		}
	})
}

// param is what is shown of a param's schema.
type param struct {
	Type        string          `json:"type"`
	Default     json.RawMessage `json:"default"`
	Unit        string          `json:"x-unit"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
}

func (r *routinesCmd) show(ctx context.Context, s streams, c *commands) error {
	if strings.Count(r.Routine, "/") != 1 {
		return &core.Invalid{Field: "routine", Message: fmt.Sprintf("%q: want PLUGIN/ROUTINE, such as models/sir", r.Routine)}
	}
	var raw json.RawMessage
	if err := client.New(c.Server).Get(ctx, "/api/v1/routines/"+r.Routine, &raw); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, raw)
	}
	var d struct {
		Kind, Title, Summary string
		Params               struct {
			Properties map[string]param
			Order      []string `json:"x-order"`
		}
		Inputs []struct{ Name, Title string }
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s (%s): %s\n%s\n\n", r.Routine, d.Kind, d.Title, d.Summary)
	for _, in := range d.Inputs {
		fmt.Fprintf(s.out, "input %s: %s\n", in.Name, in.Title)
	}
	return list(s.out, "PARAM\tTYPE\tDEFAULT\tUNIT\tMEANING", func(line func(string, ...any)) {
		for _, name := range d.Params.Order {
			p := d.Params.Properties[name]
			line("%s\t%s\t%s\t%s\t%s", name, p.Type, p.Default, p.Unit, strings.TrimSpace(p.Title+". "+p.Description))
		}
	})
}

type statsCmd struct{}

// Run shows the counts.
func (statsCmd) Run(ctx context.Context, s streams, c *commands) error {
	var stats core.Stats
	if err := client.New(c.Server).Get(ctx, "/api/v1/stats", &stats); err != nil {
		return err
	}
	return printPairs(s, c, stats)
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s streams, c *commands) error {
	if c.JSON {
		return printJSON(s.out, map[string]string{"version": version})
	}
	_, err := fmt.Fprintln(s.out, "thresher", version)
	return err
}
