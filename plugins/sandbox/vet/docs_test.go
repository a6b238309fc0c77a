package vet

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryCodeAndLimitIsDocumented(t *testing.T) {
	t.Parallel()
	errors, err := os.ReadFile("../../../docs/errors.md")
	require.NoError(t, err)
	abi, err := os.ReadFile("../../../docs/abi.md")
	require.NoError(t, err)
	for _, code := range Codes() {
		assert.Contains(t, string(errors), "`"+code+"`", code)
	}
	for i := range rules {
		assert.Contains(t, string(abi), fmt.Sprintf("| `%s` | %d |", rules[i].name, rules[i].normal))
	}
}
