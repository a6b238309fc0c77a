package routine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/routine"
)

func TestArgumentsAreWhatTheManifestSaysOfTheParams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		params string
		want   []string
	}{
		"default":       {nil, `{"b":[1, 2],"a":"x y"}`, []string{"r", "--a=x y", "--b=[1, 2]"}},
		"none":          {[]string{}, `{"a":1}`, []string{"r"}},
		"filled":        {[]string{"-n", "{n}", "{a}:{n}"}, `{"n":2.50,"a":"{n}"}`, []string{"r", "-n", "2.50", "{n}:2.50"}},
		"left_out":      {[]string{"{a}", "x{b}", "c"}, `{"a":null}`, []string{"r", "null", "c"}},
		"without_zeros": {[]string{"{a}"}, `{"a":"x\u0000y"}`, []string{"r", "xy"}},
		"no_param":      {[]string{"{}", "{1}"}, `{}`, []string{"r", "{}", "{1}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := routine.Routine{Name: "r", Args: c.args}
			got, err := r.Arguments(json.RawMessage(c.params))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			bound, err := r.ArgumentBytes(json.RawMessage(c.params))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, bound, len(strings.Join(got, "\x00"))+1, "it is known before they are made")
		})
	}
}

// Every factor of what arguments take is bounded by the manifest.
func TestAManifestBoundsItsArguments(t *testing.T) {
	t.Parallel()
	const params = `{"properties":{"x":{"type":"string"}}}`
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"at_the_limits":  {repeated(64, "{x}{x}{x}{x}"), ""},
		"too_many":       {repeated(65, "a"), "65 args: the limit is 64"},
		"too_long":       {[]string{strings.Repeat("a", 1025)}, "an arg of 1025 bytes: the limit is 1024"},
		"no_such_param":  {[]string{"{y}"}, "there is no param y"},
		"product":        {repeated(64, "{x}{x}{x}{x}{x}"), "args name params 320 times: the limit is 256"},
		"product_in_one": {[]string{strings.Repeat("{x}", 341)}, "args name params 341 times: the limit is 256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := routine.Routine{Name: "r", Params: json.RawMessage(params), Args: c.args}.CheckArgs()
			if c.says == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, c.says)
		})
	}
}

// What arguments take is known without making them, however large that is.
func TestTheSizeOfArgumentsIsKnownBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	r := routine.Routine{Name: "r", Args: repeated(64, strings.Repeat("{x}", 341))}
	n, err := r.ArgumentBytes(json.RawMessage(`{"x":"` + strings.Repeat("a", 200_000) + `"}`))
	require.NoError(t, err)
	assert.Equal(t, len("r")+1+64*(341*200_000+1), n)
}

func repeated(n int, arg string) (args []string) {
	for range n {
		args = append(args, arg)
	}
	return args
}
