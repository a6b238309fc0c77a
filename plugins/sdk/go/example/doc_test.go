package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What docs/plugins.md shows is this package, which compiles and passes its tests.
func TestTheDocumentShowsThisPlugin(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/plugins.md")
	require.NoError(t, err)
	for _, name := range []string{"main.go", "main_test.go"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		from := strings.Index(string(text), "package main")
		assert.Contains(t, string(doc), "```go\n"+string(text[from:])+"```\n", name)
	}
}
