package jsonsize_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/jsonsize"
)

// texts are strings of what is escaped, of letters, and of what is not UTF-8.
func texts() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"\x00", "\x01", "\x1f", "\x7f", "\n", "\b", "\f", `"`, `\`, "<", ">", "&", "/", "\u2028", "\u2029", "\u202a", "é", "🙂", "\xff", "\xe2\x80", "\ufffd"}),
	)
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 20).Draw(t, "pieces"), "") })
}

func encoded(t require.TestingT, v any) string {
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func TestAStringHasTheSizeThatItIsEncodedWith(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := texts().Draw(t, "text")
		size := jsonsize.String(s)
		require.Equal(t, len(encoded(t, s)), size, "%q", s)
		require.LessOrEqual(t, size, 2+jsonsize.PerByte*len(s))
	})
}

func TestRawJSONIsNotEncodedLargerThanItsSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plain := new(strings.Builder)
		e := json.NewEncoder(plain)
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(map[string]any{texts().Draw(t, "key"): texts().Draw(t, "value")}))
		compact := strings.TrimSuffix(plain.String(), "\n")
		require.Equal(t, len(encoded(t, json.RawMessage(compact))), jsonsize.Raw([]byte(compact)), "%q", compact)
		spaced := " \n" + compact + "  "
		require.LessOrEqual(t, len(encoded(t, json.RawMessage(spaced))), jsonsize.Raw([]byte(spaced)))
	})
}

func TestACutTextFitsAndIsABeginning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, max := texts().Draw(t, "text"), rapid.IntRange(3, 60).Draw(t, "max")
		cut := jsonsize.Cut(s, max)
		require.LessOrEqual(t, jsonsize.String(cut)-2, max, "%q of %q", cut, s)
		if jsonsize.String(s)-2 <= max {
			require.Equal(t, s, cut)
			return
		}
		kept, marked := strings.CutSuffix(cut, jsonsize.Mark)
		require.True(t, marked, "%q", cut)
		require.True(t, strings.HasPrefix(s, kept), "%q of %q", cut, s)
	})
}

func TestATextThatIsCutAtItsStartFitsAndIsAnEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, max := texts().Draw(t, "text"), rapid.IntRange(3, 60).Draw(t, "max")
		cut := jsonsize.CutStart(s, max)
		require.LessOrEqual(t, jsonsize.String(cut)-2, max, "%q of %q", cut, s)
		if jsonsize.String(s)-2 <= max {
			require.Equal(t, s, cut)
			return
		}
		kept, marked := strings.CutPrefix(cut, jsonsize.Mark)
		require.True(t, marked, "%q", cut)
		require.True(t, strings.HasSuffix(s, kept), "%q of %q", cut, s)
	})
}

func TestACutTextKeepsAsMuchAsFits(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "abcdef", jsonsize.Cut("abcdef", 6))
	assert.Equal(t, "abc…", jsonsize.Cut("abcdefg", 6))
	assert.Equal(t, "<…", jsonsize.Cut("<<<", 12), "a < takes six bytes")
	assert.Equal(t, "é…", jsonsize.Cut("éé\x01", 6))
}
