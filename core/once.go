package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"thresher/core/job"
	"thresher/core/ledger"
)

// MaxKey is the most bytes of an idempotency key.
const MaxKey = 128

// KeyReused refuses a submit whose idempotency key stands for another request.
type KeyReused struct{ Key, Job string }

func (e *KeyReused) Error() string {
	return fmt.Sprintf("the idempotency key %q was used for another request: job %s", e.Key, e.Job)
}

// once submits a request with an idempotency key: the first time it makes a job,
// and returns that same job ever after, for as long as the job is kept.
func (e *Engine) once(ctx context.Context, req Request) (Job, error) {
	digest := req.digest()
	term := requestTerm(req.Tenant, req.Key)
	// Those who come while the first is on its way get its answer.
	answer, err, _ := e.submits.Do(term, func() (any, error) {
		entries, _, err := e.jobs.List(ctx, ledger.Query{Terms: []string{term}, Limit: 1})
		if err != nil {
			return Job{}, fmt.Errorf("submit: %w", err)
		}
		if len(entries) > 0 {
			return e.view(entries[0]), nil
		}
		return e.create(context.WithoutCancel(ctx), req, &job.Request{Key: req.Key, Digest: digest})
	})
	if err != nil {
		return Job{}, err
	}
	j := answer.(Job)
	if j.Spec.Request.Digest != digest {
		return Job{}, &KeyReused{Key: req.Key, Job: j.ID}
	}
	return j, nil
}

func (r Request) digest() string {
	sum := sha256.Sum256(encode(r))
	return hex.EncodeToString(sum[:])
}
