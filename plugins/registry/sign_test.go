package registry_test

import (
	"bytes"
	"io"
	"testing"

	"aead.dev/minisign"
	"github.com/stretchr/testify/require"
)

// prehashed signs as minisign does by default.
func prehashed(t *testing.T, key minisign.PrivateKey, content []byte) []byte {
	t.Helper()
	r := minisign.NewReader(bytes.NewReader(content))
	_, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	return r.SignWithComments(key, "by the test", "untrusted")
}
