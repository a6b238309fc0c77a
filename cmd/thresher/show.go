package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"thresher/core"
	"thresher/core/job"
)

// jobEnded is the error of a command whose job did not complete.
type jobEnded struct {
	exit int
	text string
}

func (e *jobEnded) Error() string { return e.text }

// outcome returns nil for a completed job, and otherwise an error that says what became of
// the job, and calls it by a name.
func outcome(j core.Job, name string) error {
	switch j.Phase {
	case job.Completed:
		return nil
	case job.Failed:
		e := j.Outcome.Error
		text := fmt.Sprintf("%s failed (%s): %s", name, e.Code, e.Title)
		if e.Detail != "" {
			text += ": " + e.Detail
		}
		for _, frame := range e.Stack {
			text += "\n  at " + frame
		}
		return &jobEnded{exitJobFailed, text}
	}
	return &jobEnded{exitJobStopped, fmt.Sprintf("%s is %s", name, j.Phase)}
}

// printJSON prints a document, indented.
func printJSON(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, out.String())
	return err
}

// list prints aligned columns.
func list(w io.Writer, header string, rows func(line func(format string, args ...any))) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, header)
	rows(func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) })
	return t.Flush()
}

// printPairs prints a document, or a line for each of its values, named as limits
// are set: tenant_slots.acme.
func printPairs(s streams, c *commands, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, json.RawMessage(raw))
	}
	numbers := json.NewDecoder(bytes.NewReader(raw))
	numbers.UseNumber()
	var doc map[string]any
	if err := numbers.Decode(&doc); err != nil {
		return err
	}
	out := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	nested(out, "", doc)
	return out.Flush()
}

func nested(w io.Writer, prefix string, doc map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		switch v := doc[name].(type) {
		case map[string]any:
			nested(w, prefix+name+".", v)
		case []any:
			text, _ := json.Marshal(v) // it was decoded from JSON
			fmt.Fprintf(w, "%s%s\t%s\n", prefix, name, text)
		default:
			fmt.Fprintf(w, "%s%s\t%v\n", prefix, name, v)
		}
	}
}

// age is how long ago something was, in a word.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
