package sandbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/plugins/sandbox/vet"
)

// Every refusal says what would pass: limits by their number, the others in words.
func TestEveryRefusalSaysWhatWouldPass(t *testing.T) {
	t.Parallel()
	for _, code := range Codes() {
		if strings.HasPrefix(code, "limit_") || code == "module_too_large" {
			continue // see report
		}
		assert.NotEmpty(t, hint(code), code)
	}
	limited := (&Refusal{Code: "limit_types", cause: &vet.Refusal{Code: "limit_types", Rule: "types", Found: 9, Limit: 5}}).report("vet")
	assert.Equal(t, "9", limited.Found)
	assert.Equal(t, "5 at most", limited.Want)
	assert.Equal(t, hints["not_wasm"], (&Refusal{Code: "not_wasm"}).report("vet").Want)
}
