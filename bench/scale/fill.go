package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"thresher/core"
	"thresher/core/job"
	"thresher/core/ledger"
	"thresher/core/routine"
)

// fillAndKill fills a folder in a process of its own and kills that with SIGKILL,
// so that the folder is as a crash leaves it.
func fillAndKill(ctx context.Context, data string, n int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-jobs", fmt.Sprint(n), "-fill", data)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	filled := false
	for lines := bufio.NewScanner(out); !filled && lines.Scan(); {
		filled = strings.HasPrefix(lines.Text(), "filled")
	}
	if !filled {
		return fmt.Errorf("fill: %w", cmd.Wait())
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait() // it was killed
	return nil
}

// fill writes n finished jobs, says so, and waits to be killed.
func fill(ctx context.Context, data string, n int) error {
	l, err := ledger.Open(ctx, ledger.Config{Dir: data, Sync: ledger.SyncInterval})
	if err != nil {
		return err
	}
	// What is there must not be pruned while it is measured.
	settings, err := ledger.OpenStore(ctx, l, "settings", ledger.StoreConfig[core.Limits]{})
	if err != nil {
		return err
	}
	limits := core.DefaultLimits()
	limits.Retention = map[string]core.Retention{"*": {Count: 1 << 30}}
	if _, err := settings.Create(ctx, "limits", limits); err != nil {
		return err
	}
	jobs, err := ledger.OpenStore(ctx, l, "jobs", core.JobStore())
	if err != nil {
		return err
	}
	ids := ulid.Monotonic(rand.NewChaCha8([32]byte{}), 0)
	begin := time.Now().Add(-time.Duration(n) * spacing)
	for i := 0; i < n; i += ledger.MaxWrites {
		end := min(n, i+ledger.MaxWrites)
		err := l.Atomically(ctx, func(tx *ledger.Tx) error {
			for i := i; i < end; i++ {
				at := begin.Add(time.Duration(i) * spacing)
				r := record(ulid.MustNew(ulid.Timestamp(at), ids).String(), at, i)
				if err := jobs.Add(tx, r.ID, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	fmt.Println("filled")
	select {} // until killed
}

// spacing is the time between two submits.
const spacing = 50 * time.Millisecond

// record is a finished job as a run of models/sir or tabular/describe leaves it:
// digests, times and numbers of its own, and the rest like others.
func record(id string, at time.Time, i int) job.Record {
	took := time.Duration(5+i%40) * time.Millisecond
	started, ended := at.Add(2*time.Millisecond), at.Add(2*time.Millisecond+took)
	r := job.Record{
		ID: id, Tenant: fmt.Sprintf("team-%02d", i%20), Desired: job.WantRun, Phase: job.Completed,
		Epoch: 1, Attempt: 1, Created: at.UTC(), Started: &started, Ended: &ended,
		Spec: job.Spec{
			Routine: "models/sir", Version: "0.1.0", Digest: digest("sir"), Kind: routine.Simulation,
			Params: json.RawMessage(fmt.Sprintf(`{"contacts":5,"infection_rate":%.3f,"initial_infected":10,"population":1000,"recovery_rate":0.1,"steps":200}`, 0.01+float64(i%90)/1000)),
			Seed:   uint64(i) * 2654435761 % (1 << 32), CacheKey: digest("key", i),
			Limits: job.Limits{MemoryBytes: 256 << 20, WallSeconds: 3600, OutputBytes: 256 << 20, LogBytes: 1 << 20},
			Labels: map[string]string{"sweep": fmt.Sprintf("s-%03d", i/1000), "owner": []string{"ana", "bo", "chi"}[i%3]},
		},
		Outcome: &job.Outcome{
			Result:    json.RawMessage(fmt.Sprintf(`{"final_size":%.3f,"over_at_step":%d,"peak_infected":%d,"peak_step":34,"r0":2.5,"steps":200}`, float64(i%1000)/1000, 50+i%150, i%1000)),
			Tables:    []job.Table{{Name: "steps", Rows: 201, Blob: job.Blob{Digest: digest("steps", i), Bytes: 9506}}},
			Artifacts: []job.Artifact{{Name: "epidemic.vl.json", Media: "application/vnd.vegalite.v6+json", Blob: job.Blob{Digest: digest("chart", i), Bytes: 27511}}},
			Progress:  &job.Progress{Fraction: 1, Message: "step 200: 0 infected"},
			Usage:     job.Usage{WallSeconds: took.Seconds(), PeakMemoryBytes: 4718592, OutputBytes: 37000},
		},
	}
	switch {
	case i%50 == 7:
		r.Phase = job.Failed
		r.Outcome = &job.Outcome{Error: &job.Error{Code: "guest_error", Title: "The guest failed", Detail: fmt.Sprintf("step %d: no one is left", i%200)}, Usage: r.Outcome.Usage}
	case i%4 == 0:
		r.Spec.Routine, r.Spec.Kind, r.Spec.Digest, r.Spec.Seed = "tabular/describe", routine.Analysis, digest("tabular"), 0
		r.Spec.Params = json.RawMessage(`{"columns":["Species"],"top":5}`)
		r.Spec.Inputs = map[string]job.Input{"data": {Source: "penguins", Table: "data", Digest: digest("data", i%10)}}
		r.Outcome.Result = json.RawMessage(fmt.Sprintf(`{"columns":[{"name":"Species","type":"string","count":%d,"nulls":0,"distinct":3,"top":[{"value":"Adelie","count":152},{"value":"Gentoo","count":124},{"value":"Chinstrap","count":68}]}],"rows":344}`, 344+i%77))
		r.Outcome.Tables = nil
	}
	if i%1000 == 13 { // few, all over the whole time, and of the rarer plugin never
		r.Spec.Labels["rare"] = "yes"
	}
	return r
}

// digest is a SHA-256, as those of contents are.
func digest(of ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(of...)))
	return hex.EncodeToString(sum[:])
}
