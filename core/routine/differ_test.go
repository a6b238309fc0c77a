package routine_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"thresher/core/routine"
)

func TestAResultDiffersOrItDoesNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want, got string
		tolerance float64
		says      string // empty: they agree
	}{
		"the_same":          {`{"a":[1,"x",null,true]}`, `{"a": [1.0, "x", null, true]}`, 0, ""},
		"a_rounding":        {`{"a":0.3}`, `{"a":0.30000000000000004}`, 0, ""},
		"too_far":           {`{"a":0.3}`, `{"a":0.3001}`, 0, "result.a: want 0.3, got 0.3001"},
		"far_but_tolerated": {`{"a":0.3}`, `{"a":0.3001}`, 1e-3, ""},
		"large_integers":    {`9007199254740993`, `9007199254740993`, 0, ""},
		"another_type":      {`{"a":1}`, `{"a":"1"}`, 0, `result.a: want 1, got "1"`},
		"null_is_not_zero":  {`{"a":null}`, `{"a":0}`, 0, "result.a: want null, got 0"},
		"a_missing_field":   {`{"a":1,"b":2}`, `{"a":1}`, 0, "result.b: it is missing: want 2"},
		"a_field_too_many":  {`{"a":1}`, `{"a":1,"b":2}`, 0, "result.b: the example does not name it: got 2"},
		"a_longer_list":     {`[1,2]`, `[1,2,3]`, 0, "result: want 2 items, got 3"},
		"within_a_list":     {`[{"a":1},{"a":2}]`, `[{"a":1},{"a":3}]`, 0, "result[1].a: want 2, got 3"},
		"not_json":          {`1`, `{`, 0, "it is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := routine.Differ(json.RawMessage(c.want), json.RawMessage(c.got), c.tolerance)
			if c.says == "" {
				assert.Empty(t, d)
			} else {
				assert.Contains(t, d, c.says)
			}
		})
	}
}
