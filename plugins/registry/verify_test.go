package registry

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Where a server does not survive a module, no other is blamed.
func TestAModuleThatWasTriedBeforeIsVerifiedAlone(t *testing.T) {
	t.Parallel()
	fresh, tried := Module{Digest: "a"}, Module{Digest: "b", Attempts: 1}
	for name, c := range map[string]struct {
		m      Module
		beside []Module
		want   bool
	}{
		"nothing_else":     {fresh, nil, true},
		"tried_alone":      {tried, nil, true},
		"beside_another":   {fresh, []Module{{Digest: "c"}}, true},
		"tried_beside":     {tried, []Module{{Digest: "c"}}, false},
		"beside_the_tried": {fresh, []Module{tried}, false},
		"the_same_bytes":   {fresh, []Module{{Digest: "a", Tenant: "another"}}, false},
	} {
		beside := map[string]Module{}
		for _, m := range c.beside {
			beside[m.Digest] = m
		}
		assert.Equal(t, c.want, mayVerify(c.m, beside), name)
	}
}
