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
type KeyReused struct {
	Key string
	For string // what it stands for, such as "job ID"
}

func (e *KeyReused) Error() string {
	return fmt.Sprintf("the idempotency key %q was used for another request: %s", e.Key, e.For)
}

func checkKey(key string) error {
	if len(key) > MaxKey {
		return invalid("header.Idempotency-Key", "%d bytes: the limit is %d", len(key), MaxKey)
	}
	return nil
}

// once submits a request with an idempotency key: the first time it makes a job,
// and returns that same job ever after, for as long as the job is kept.
func (e *Engine) once(ctx context.Context, req Request) (Job, error) {
	digest := digestOf(req)
	j, err := e.unlessThere(ctx, requestTerm(req.Tenant, req.Key), func(ctx context.Context) (Job, error) {
		return e.create(ctx, req, &job.Request{Key: req.Key, Digest: digest})
	})
	if err != nil {
		return Job{}, err
	}
	if j.Spec.Request.Digest != digest {
		return Job{}, &KeyReused{Key: req.Key, For: "job " + j.ID}
	}
	return j, nil
}

// unlessThere returns the job that has a term, or makes one. Those who come while the
// first is on its way get its answer; what it began it ends, whether it leaves or not.
func (e *Engine) unlessThere(ctx context.Context, term string, create func(context.Context) (Job, error)) (Job, error) {
	answer, err, _ := e.submits.Do(term, func() (any, error) {
		able := e.ledger.Able() // if so, what it was not known of before is seen now
		entries, _, err := e.jobs.List(ctx, ledger.Query{Terms: []string{term}, Limit: 1})
		if err != nil {
			return Job{}, fmt.Errorf("submit: %w", err)
		}
		if len(entries) > 0 {
			return e.view(entries[0]), nil
		}
		if able != nil {
			return Job{}, fmt.Errorf("submit: %w", able)
		}
		return create(context.WithoutCancel(ctx))
	})
	if err != nil {
		return Job{}, err
	}
	return answer.(Job), nil
}

// onceBatch is once for a batch.
func (e *Engine) onceBatch(ctx context.Context, req BatchRequest) (Batch, error) {
	digest := digestOf(req)
	term := requestTerm(req.Tenant, req.Key)
	answer, err, _ := e.submits.Do("batch "+term, func() (any, error) {
		able := e.ledger.Able()
		entries, _, err := e.batches.List(ctx, ledger.Query{Terms: []string{term}, Limit: 1})
		if err != nil {
			return batchRecord{}, fmt.Errorf("batch: %w", err)
		}
		ctx := context.WithoutCancel(ctx)
		if len(entries) > 0 && entries[0].Value.Written {
			return entries[0].Value, nil
		}
		if able != nil {
			return batchRecord{}, fmt.Errorf("batch: %w", able)
		}
		if len(entries) > 0 { // its submit failed, and so did the clearing away
			if err := e.abandon(ctx, entries[0].Key); err != nil {
				return batchRecord{}, err
			}
		}
		return e.createBatch(ctx, req, &job.Request{Key: req.Key, Digest: digest})
	})
	if err != nil {
		return Batch{}, err
	}
	b := answer.(batchRecord)
	if b.Request.Digest != digest {
		return Batch{}, &KeyReused{Key: req.Key, For: "batch " + b.ID}
	}
	return e.progress(ctx, b)
}

// digestOf identifies a value by its JSON: of a request the key is no part.
func digestOf(v any) string {
	sum := sha256.Sum256(encode(v))
	return hex.EncodeToString(sum[:])
}
