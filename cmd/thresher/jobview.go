package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"thresher/core"
	"thresher/core/job"
)

// showJob prints a job for people: what it is, how it goes, and what it left.
func showJob(w io.Writer, j core.Job) error {
	return list(w, "job\t"+j.ID, func(line func(string, ...any)) {
		field := func(name, format string, args ...any) { line("%s\t%s", name, fmt.Sprintf(format, args...)) }
		field("routine", "%s %s", j.Spec.Routine, j.Spec.Version)
		field("phase", "%s", strings.TrimSuffix(string(j.Phase)+", "+remark(j), ", "))
		if j.Spec.Batch != "" {
			field("batch", "%s", j.Spec.Batch)
		}
		for _, name := range slices.Sorted(maps.Keys(j.Spec.Inputs)) {
			field("input "+name, "%s", j.Spec.Inputs[name].Source)
		}
		field("params", "%s", j.Spec.Params)
		field("seed", "%d", j.Spec.Seed)
		for _, name := range slices.Sorted(maps.Keys(j.Spec.Labels)) {
			field("label "+name, "%s", j.Spec.Labels[name])
		}
		field("submitted", "%s, %s ago", j.Created.Local().Format(time.DateTime), age(j.Created))
		for _, a := range j.Attempts {
			field(fmt.Sprintf("attempt %d", a.Number), "%s", showAttempt(a))
		}
		if j.Outcome != nil {
			showOutcome(field, j)
		}
	})
}

// showAttempt says how an attempt without an outcome went.
func showAttempt(a job.Attempt) string {
	text := fmt.Sprintf("%s after %s, %s of CPU time", strings.ReplaceAll(a.Ending, "_", " "),
		seconds(a.Usage.WallSeconds), seconds(a.Usage.CPUSeconds))
	if p := a.Progress; p != nil {
		text += strings.TrimSuffix(fmt.Sprintf(", at %.0f %% %s", 100*p.Fraction, p.Message), " ")
	}
	if a.Log != nil {
		text += fmt.Sprintf(", %d bytes of log", a.Log.Bytes)
	}
	return text
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}

func showOutcome(field func(name, format string, args ...any), j core.Job) {
	o := j.Outcome
	field("ran for", "%s, %s of CPU time, %d gas, %.1f MB of memory",
		seconds(o.Usage.WallSeconds), seconds(o.Usage.CPUSeconds), o.Usage.Gas, float64(o.Usage.PeakMemoryBytes)/1e6)
	if o.Error != nil {
		field("error", "%s: %s", o.Error.Title, o.Error.Detail)
	}
	for _, t := range o.Tables {
		field("table", "%s, %d rows", t.Name, t.Rows)
	}
	for _, a := range o.Artifacts {
		field("artifact", "%s, %d bytes", a.Name, a.Bytes)
	}
	if o.Log != nil {
		field("log", "%d bytes", o.Log.Bytes)
	}
	if o.Result != nil || o.ResultRef != nil {
		field("result", "thresher jobs result %s", j.ID)
	}
}
