package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"aead.dev/minisign"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/core/routine"
)

// Received is a module whose bytes are on disk, and which nobody knows of yet.
type Received struct {
	ledger.Blob
	read     *minisign.Reader // knows what its signature is of
	registry *Registry
}

// Release lets go of the bytes. What was added is held by its record.
func (x *Received) Release() { x.registry.blobs.Release(x.Digest) }

// Receive takes the bytes of a module as they come. It keeps none of them in memory.
// The caller releases what it returns.
func (r *Registry) Receive(ctx context.Context, body io.Reader) (*Received, error) {
	if r.life.Err() != nil {
		return nil, core.ErrShuttingDown
	}
	if err := r.ledger.Room(); err != nil {
		return nil, err
	}
	read := minisign.NewReader(body)
	blob, err := r.blobs.Put(ctx, read, r.cfg.MaxBytes)
	if errors.Is(err, ledger.ErrTooLarge) {
		return nil, r.TooLarge(fmt.Sprintf("more than %d", r.cfg.MaxBytes))
	}
	if err != nil {
		return nil, err
	}
	return &Received{blob, read, r}, nil
}

// TooLarge refuses a module of so many bytes.
func (r *Registry) TooLarge(bytes string) error {
	return refuse("too_large", "the module has %s bytes: the limit is %d; strip it, or raise module_bytes with --vet", bytes, r.cfg.MaxBytes)
}

// MaxBytes is the most bytes of a module.
func (r *Registry) MaxBytes() int64 { return r.cfg.MaxBytes }

// Upload says what is to be done with a module that was received.
type Upload struct {
	Tenant    string // default "default"
	By        string // who says to have uploaded it
	Signature []byte // minisign's; may be empty
	Activate  bool   // once it is verified, if it is newer than what is active
}

// Add makes a module known, and lets it be verified. Bytes that are known change
// nothing, unless they were rejected: then they are verified again.
func (r *Registry) Add(ctx context.Context, x *Received, u Upload) (View, error) {
	if err := checkWho(u.Tenant, u.By); err != nil {
		return View{}, err
	}
	signature, err := r.checkSignature(ctx, x.read, u.Signature)
	if err != nil {
		return View{}, err
	}
	m := Module{
		Tenant: u.Tenant, Digest: x.Digest, Bytes: x.Bytes, Phase: Verifying, Activate: u.Activate,
		Uploaded: Who{u.By, r.cfg.Now().UTC()}, Signature: signature,
	}
	key := moduleKey(m.Tenant, m.Digest)
	if err := r.add(ctx, key, m); err != nil {
		return View{}, err
	}
	r.rouse()
	return r.Module(ctx, m.Tenant, m.Digest)
}

// add writes the record of an upload, or what it adds to that of the same bytes.
func (r *Registry) add(ctx context.Context, key string, m Module) error {
	_, err := r.modules.Modify(ctx, key, func(now *Module) (*Module, error) {
		switch {
		case now == nil:
			return &m, r.roomFor(ctx, m.Tenant)
		case now.Phase == Rejected:
			again, err := now.again(m)
			return &again, cmp.Or(err, r.roomFor(ctx, m.Tenant))
		case now.Signature == nil && m.Signature != nil: // it is told of the same bytes
			signed := *now
			signed.Signature = m.Signature
			return &signed, nil
		}
		return now, nil
	})
	return err
}

// roomFor returns why no further module of a tenant may wait for its verification, or nil.
func (r *Registry) roomFor(ctx context.Context, tenant string) error {
	phase := "phase=" + string(Verifying)
	all, err := r.modules.Count(ctx, phase)
	if err != nil {
		return err
	}
	own, err := r.modules.CountQuery(ctx, ledger.Query{Terms: []string{phase, "tenant=" + tenant}})
	if err != nil {
		return err
	}
	if most := room(r.cfg.MaxVerifying, all-own); own >= most {
		return refuse("too_many_uploads", "%d modules of tenant %s wait for their verification: the limit is %d, half of what other tenants leave free of %d places",
			own, tenant, most, r.cfg.MaxVerifying)
	}
	return nil
}

// maxBy is the most bytes of who did something.
const maxBy = 64

func checkWho(tenant, by string) error {
	if !routine.ValidName(tenant) {
		return &core.Invalid{Field: "query.tenant", Message: fmt.Sprintf("%q: want up to 64 lower case letters, digits, dashes and underscores", tenant)}
	}
	if len(by) > maxBy {
		return &core.Invalid{Field: "query.by", Message: fmt.Sprintf("%d bytes: the limit is %d", len(by), maxBy)}
	}
	return nil
}
