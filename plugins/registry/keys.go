package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aead.dev/minisign"

	"thresher/core"
	"thresher/core/ledger"
)

// Key is the record of a key that is, or was, trusted to sign modules.
type Key struct {
	ID      string     `json:"id"`             // as minisign shows it
	Key     string     `json:"key"`            // the public key, base64
	Name    string     `json:"name,omitempty"` // whose it is
	Trusted Who        `json:"trusted"`
	Revoked *time.Time `json:"revoked,omitempty"`
}

// Signature says who signed a module.
type Signature struct {
	Key     string `json:"key"`               // its id
	Name    string `json:"name,omitempty"`    // whose it was
	Comment string `json:"comment,omitempty"` // that the signature is of too
}

// MaxSignature is the most bytes of a signature, with its comments.
const MaxSignature = 8 << 10

func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }

// checkSignature returns who signed a module, or why the signature does not do. No
// signature will do where none is asked for; one that is there must be good.
func (r *Registry) checkSignature(ctx context.Context, read *minisign.Reader, signature []byte) (*Signature, error) {
	if len(signature) == 0 {
		if r.cfg.RequireSigned {
			return nil, refuse("signature_missing", "this server takes modules only with a minisign signature of a key that it trusts")
		}
		return nil, nil
	}
	if len(signature) > MaxSignature {
		return nil, refuse("signature_wrong", "it has %d bytes: the limit is %d", len(signature), MaxSignature)
	}
	var parsed minisign.Signature
	if err := parsed.UnmarshalText(signature); err != nil {
		return nil, refuse("signature_wrong", "it is no minisign signature: %v", err)
	}
	key, public, err := r.trusted(ctx, keyID(parsed.KeyID))
	if err != nil {
		return nil, err
	}
	if parsed.Algorithm != minisign.HashEdDSA {
		return nil, refuse("signature_wrong", "it was made the old way, of the whole file: sign with a current minisign, or with `thresher plugins sign`")
	}
	if !read.Verify(public, signature) {
		return nil, refuse("signature_wrong", "it is not the signature of these bytes by the key %s: one of both was changed", key.ID)
	}
	return &Signature{Key: key.ID, Name: key.Name, Comment: parsed.TrustedComment}, nil
}

// trusted returns a key, unless it is unknown or revoked.
func (r *Registry) trusted(ctx context.Context, id string) (key Key, public minisign.PublicKey, err error) {
	entry, err := r.keys.Get(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return key, public, refuse("signature_key_unknown", "the key %s is none that this server trusts: `thresher keys trust` adds it", id)
	case err != nil:
		return key, public, err
	case entry.Value.Revoked != nil:
		return key, public, refuse("signature_key_revoked", "the key %s was revoked at %s", id, entry.Value.Revoked.Format(time.RFC3339))
	}
	return entry.Value, public, public.UnmarshalText([]byte(entry.Value.Key))
}

// admit reports why a module may not become a version that a name stands for: under
// RequireSigned it must have been signed, by a key that is still trusted.
func (r *Registry) admit(ctx context.Context, m Module) error {
	if !r.cfg.RequireSigned {
		return nil
	}
	if m.Signature == nil {
		return refuse("signature_missing", "the module %s has no signature: push it again with one", m.Digest)
	}
	_, _, err := r.trusted(ctx, m.Signature.Key)
	return err
}

// Trust adds a public key to those that are trusted, or a revoked one again. It is
// given as minisign's file has it, or as its second line alone.
func (r *Registry) Trust(ctx context.Context, text, name, by string) (Key, error) {
	if err := checkWho(core.DefaultTenant, by); err != nil {
		return Key{}, err
	}
	if len(name) > maxBy {
		return Key{}, &core.Invalid{Field: "body.name", Message: fmt.Sprintf("%d bytes: the limit is %d", len(name), maxBy)}
	}
	var public minisign.PublicKey
	if err := public.UnmarshalText([]byte(strings.TrimSpace(text))); err != nil {
		return Key{}, &core.Invalid{Field: "body.key", Message: "want a public key of minisign, which begins with RW: " + err.Error()}
	}
	k := Key{ID: keyID(public.ID()), Key: public.String(), Name: name, Trusted: Who{by, r.cfg.Now().UTC()}}
	return r.putKey(ctx, k.ID, func(old *Key) (Key, error) {
		switch {
		case old != nil && old.Key != k.Key:
			return k, refuse("conflict", "another key has the id %s", k.ID)
		case old != nil && old.Revoked == nil && old.Name == k.Name:
			return *old, nil
		}
		return k, nil
	})
}

// Revoke trusts a key no more. Versions that it signed can still be run; under
// RequireSigned they cannot be activated.
func (r *Registry) Revoke(ctx context.Context, id string) (Key, error) {
	id = strings.ToUpper(id)
	return r.putKey(ctx, id, func(old *Key) (Key, error) {
		if old == nil {
			return Key{}, fmt.Errorf("key %s: %w", id, core.ErrNotFound)
		}
		k := *old
		if k.Revoked == nil {
			now := r.cfg.Now().UTC()
			k.Revoked = &now
		}
		return k, nil
	})
}

func (r *Registry) putKey(ctx context.Context, id string, next func(*Key) (Key, error)) (Key, error) {
	entry, err := r.keys.Modify(ctx, id, func(old *Key) (*Key, error) {
		k, err := next(old)
		if err != nil {
			return old, err
		}
		if old == nil {
			if n, err := r.keys.Count(ctx, ""); err != nil || n >= maxKeys {
				return nil, errors.Join(err, refuse("registry_full", "there are %d keys: the limit is %d", n, maxKeys))
			}
		}
		return &k, nil
	})
	if err != nil {
		return Key{}, err
	}
	return entry.Value, nil
}

const maxKeys = 1000

// Keys lists the keys, revoked ones too.
func (r *Registry) Keys(ctx context.Context) ([]Key, error) {
	found, _, err := r.keys.List(ctx, ledger.Query{Ascending: true, Limit: maxKeys})
	list := make([]Key, len(found))
	for i, e := range found {
		list[i] = e.Value
	}
	slices.SortFunc(list, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}
