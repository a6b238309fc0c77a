package compilers

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a compiler says because a build may ask no network comes with the way out.
func TestALibraryThatIsMissingComesWithTheWayOut(t *testing.T) {
	t.Parallel()
	for said, c := range map[string]struct {
		of     func(string) string
		advice string
	}{
		"main.go:5:2: cannot find module providing package gonum.org/v1/gonum/floats: module lookup disabled by GOPROXY=off":         {adviceOfGo, "go get gonum.org/v1/gonum/floats"},
		"main.go:5:2: no required module provides package gonum.org/v1/gonum/floats; to add it:\n\tgo get gonum.org/v1/gonum/floats": {adviceOfGo, "go get gonum.org/v1/gonum/floats"},
		"go: gonum.org/v1/gonum@v0.16.0: module lookup disabled by GOPROXY=off":                                                      {adviceOfGo, "go mod download"},
		"main.go:3:1: syntax error": {adviceOfGo, ""},
		"error: no matching package named `rand` found\nAs a reminder, you're using offline mode (--offline) which can sometimes cause surprising": {adviceOfCargo, "cargo fetch"},
		"error[E0425]: cannot find value `x`": {adviceOfCargo, ""},
	} {
		err := withAdvice(&Failed{Command: "build", Said: said}, c.of)
		require.ErrorContains(t, err, said)
		if c.advice == "" {
			assert.Equal(t, "build:\n"+said, err.Error())
			continue
		}
		assert.ErrorContains(t, err, c.advice)
	}
	other := errors.New("other")
	assert.Equal(t, other, withAdvice(other, adviceOfGo))
}
