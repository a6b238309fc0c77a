package spelling_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core/spelling"
)

func TestNearestIsTheNameThatDiffersInFewLetters(t *testing.T) {
	t.Parallel()
	known := []string{"limit", "cursor", "skip_damaged", "by"}
	for name, want := range map[string]string{
		"limt": "limit", "limits": "limit", "kursor": "cursor", "skipdamaged": "skip_damaged",
		"format": "", "": "by", strings.Repeat("limit", 1000): "",
	} {
		assert.Equal(t, want, spelling.Nearest(name, known), "of %.20q", name)
	}
}
