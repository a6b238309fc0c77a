package registry_test

import (
	"testing"

	"aead.dev/minisign"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/plugins/registry"
	"thresher/plugins/registry/registrytest"
)

// pair is a pair of keys.
func pair(t *testing.T) (public string, sign func([]byte) []byte) {
	t.Helper()
	pub, sec, err := minisign.GenerateKey(nil)
	require.NoError(t, err)
	text, err := pub.MarshalText()
	require.NoError(t, err)
	return string(text), func(wasm []byte) []byte { return prehashed(t, sec, wasm) }
}

// Each way in which a signature does not do has its own answer, and keeps nothing.
func TestASignatureThatDoesNotDoIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{RequireSigned: true})
	trusted, sign := pair(t)
	revoked, signRevoked := pair(t)
	_, signUnknown := pair(t)
	_, err := w.reg.Trust(t.Context(), trusted, "ada", "root")
	require.NoError(t, err)
	bad, err := w.reg.Trust(t.Context(), revoked, "eve", "root")
	require.NoError(t, err)
	_, err = w.reg.Revoke(t.Context(), bad.ID)
	require.NoError(t, err)

	wasm, other := registrytest.Plugin{}.Wasm(), registrytest.Plugin{Salt: "tampered"}.Wasm()
	for name, c := range map[string]struct {
		signature []byte
		code      string
	}{
		"unsigned": {nil, "signature_missing"},
		"noise":    {[]byte("not a signature"), "signature_wrong"},
		"tampered": {sign(other), "signature_wrong"},
		"unknown":  {signUnknown(wasm), "signature_key_unknown"},
		"revoked":  {signRevoked(wasm), "signature_key_revoked"},
	} {
		_, err := w.tryPush(t, wasm, registry.Upload{Signature: c.signature, Activate: true})
		assert.Equal(t, c.code, core.Code(err), name)
	}
	uploads, _, err := w.reg.Uploads(t.Context(), core.DefaultTenant)
	require.NoError(t, err)
	assert.Empty(t, uploads)

	v := w.push(t, wasm, registry.Upload{Signature: sign(wasm), Activate: true})
	require.Equal(t, "ready", v.State)
	assert.Equal(t, "ada", v.Signature.Name)
	assert.Equal(t, "by the test", v.Signature.Comment)
}

// Where signatures are not asked for, one that is there must be good all the same.
func TestAnUnaskedSignatureMustBeGood(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	_, sign := pair(t)
	wasm := registrytest.Plugin{}.Wasm()
	_, err := w.tryPush(t, wasm, registry.Upload{Signature: sign(wasm)})
	assert.Equal(t, "signature_key_unknown", core.Code(err))
	assert.Equal(t, "ready", w.push(t, wasm, active).State)
}

// A server that begins to ask for signatures lets what it has run, but activates only
// what was signed by a key that it still trusts.
func TestOnlyWhatIsSignedIsActivatedWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := setUp(t, registry.Config{})
	public, sign := pair(t)
	key, err := w.reg.Trust(t.Context(), public, "ada", "")
	require.NoError(t, err)
	one, two, three := registrytest.Plugin{Version: "1.0.0"}, registrytest.Plugin{Version: "2.0.0"}, registrytest.Plugin{Version: "3.0.0"}
	w.push(t, one.Wasm(), active)
	w.push(t, two.Wasm(), registry.Upload{Signature: sign(two.Wasm())})
	w.push(t, three.Wasm(), registry.Upload{})
	w.close(t)

	w = openIn(t, w.dir, registry.Config{RequireSigned: true})
	assert.JSONEq(t, one.Result(), string(w.run(t, one.Routine()).Outcome.Result))
	_, err = w.reg.Activate(t.Context(), core.DefaultTenant, "probe", "3.0.0", "")
	assert.Equal(t, "signature_missing", core.Code(err))
	_, err = w.reg.Activate(t.Context(), core.DefaultTenant, "probe", "2.0.0", "")
	require.NoError(t, err)
	signed := w.push(t, three.Wasm(), registry.Upload{Signature: sign(three.Wasm())})
	assert.Equal(t, key.ID, signed.Signature.Key, "the same bytes again can bring the signature that they lacked")
	_, err = w.reg.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	_, err = w.reg.Activate(t.Context(), core.DefaultTenant, "probe", "3.0.0", "")
	assert.Equal(t, "signature_key_revoked", core.Code(err))
}
