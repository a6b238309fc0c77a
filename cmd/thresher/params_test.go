package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
)

const typedSchema = `{"params": {"type": "object", "$defs": {"name": {"type": "string"}}, "properties": {
	"n": {"type": "integer"}, "x": {"type": "number"}, "on": {"type": "boolean"}, "text": {"type": "string"},
	"one": {"enum": ["5", "a;b"]}, "level": {"const": 3}, "ref": {"$ref": "#/$defs/name"},
	"list": {"type": "array", "items": {"type": "string"}}, "ns": {"type": "array", "items": {"type": "integer"}},
	"grid": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
	"object": {"type": "object"}, "maybe": {"type": ["integer", "null"]}, "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
	"all": {"allOf": [{}, {"type": "boolean"}]}, "any": {}, "loop": {"$ref": "#/properties/loop"}}}}`

// routineServer answers with one routine's schema.
func routineServer(t *testing.T) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write([]byte(typedSchema))
		assert.NoError(t, err)
	}))
	t.Cleanup(s.Close)
	return client.New(s.URL)
}

// A value of -p is what was typed. It is taken as JSON where the schema wants that, and
// names that are repeated make a list.
func TestParamsAreWhatWasTyped(t *testing.T) {
	t.Parallel()
	cl := routineServer(t)
	for name, c := range map[string]struct {
		typed []string
		want  string // JSON, or what the error says
	}{
		"integer":                   {[]string{"n=5"}, `{"n":5}`},
		"beyond_64_bits":            {[]string{"n=9223372036854775808"}, `{"n":9223372036854775808}`},
		"negative":                  {[]string{"n=-5"}, `{"n":-5}`},
		"number":                    {[]string{"x=1e3"}, `{"x":1e3}`},
		"boolean":                   {[]string{"on=true"}, `{"on":true}`},
		"semicolons":                {[]string{"text=a;b=c;d"}, `{"text":"a;b=c;d"}`},
		"semicolon_in_a_number":     {[]string{"n=50;steps=5"}, `param: n=50;steps=5: want an integer`},
		"a_separator":               {[]string{"text=;"}, `{"text":";"}`},
		"commas":                    {[]string{"text=a,b"}, `{"text":"a,b"}`},
		"escapes":                   {[]string{`text=a\,b\n`}, `{"text":"a\\,b\\n"}`},
		"quotes_stay":               {[]string{`text="a"`}, `{"text":"\"a\""}`},
		"spaces_stay":               {[]string{"text= a "}, `{"text":" a "}`},
		"empty":                     {[]string{"text="}, `{"text":""}`},
		"text_of_digits":            {[]string{"text=5"}, `{"text":"5"}`},
		"text_that_is_json":         {[]string{"text=null"}, `{"text":"null"}`},
		"enum_of_digits":            {[]string{"one=5"}, `{"one":"5"}`},
		"const":                     {[]string{"level=3"}, `{"level":3}`},
		"through_a_reference":       {[]string{"ref=5"}, `{"ref":"5"}`},
		"list_repeated":             {[]string{"list=x", "list=y,z"}, `{"list":["x","y,z"]}`},
		"list_of_one":               {[]string{"list=x,y"}, `{"list":["x,y"]}`},
		"list_as_json":              {[]string{`list=["x","y"]`}, `{"list":["x","y"]}`},
		"list_of_integers":          {[]string{"ns=1", "ns=2"}, `{"ns":[1,2]}`},
		"list_of_no_integer":        {[]string{"ns=1", "ns=b"}, `param: ns=1, b: want an integer`},
		"list_of_lists":             {[]string{"grid=[1,2]", "grid=[3]"}, `{"grid":[[1,2],[3]]}`},
		"object":                    {[]string{`object={"a": {"b": 1}}`}, `{"object":{"a":{"b":1}}}`},
		"no_object":                 {[]string{"object=a:1"}, `param: object=a:1: want a JSON object`},
		"null":                      {[]string{"maybe=null"}, `{"maybe":null}`},
		"neither":                   {[]string{"maybe=none"}, `param: maybe=none: want an integer or null`},
		"either_number":             {[]string{"either=5"}, `{"either":5}`},
		"either_text":               {[]string{"either=a"}, `{"either":"a"}`},
		"all_of":                    {[]string{"all=false"}, `{"all":false}`},
		"untyped_json":              {[]string{"any=[1]"}, `{"any":[1]}`},
		"untyped_text":              {[]string{"any=a;b"}, `{"any":"a;b"}`},
		"untyped_repeated":          {[]string{"any=1", "any=a"}, `{"any":[1,"a"]}`},
		"a_schema_in_a_loop":        {[]string{"loop=1"}, `{"loop":1}`},
		"unknown_is_for_the_server": {[]string{"colour=red"}, `{"colour":"red"}`},
		"twice":                     {[]string{"n=1", "n=2"}, `param: n=1, 2: given 2 times: want an integer, once`},
		"twice_text":                {[]string{"text=a", "text=b"}, `param: text=a, b: given 2 times: want text, once`},
		"not_utf8":                  {[]string{"text=\xff"}, `it is not UTF-8`},
		"leading_zeros":             {[]string{"n=007"}, `param: n=007: want an integer`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"run", "a/b"}
			for _, pair := range c.typed {
				args = append(args, "-p", pair)
			}
			parsed, err := parsed(t, args...)
			require.NoError(t, err)
			got, err := readParams(t.Context(), cl, "a/b", "", parsed.Run.Param)
			if !strings.HasPrefix(c.want, "{") {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assert.JSONEq(t, c.want, string(got))
			if name == "beyond_64_bits" {
				assert.Equal(t, c.want, string(got))
			}
		})
	}
}

// What -p says of a param replaces what --params says of it.
func TestParamsAsOneObject(t *testing.T) {
	t.Parallel()
	cl := routineServer(t)
	file := filepath.Join(t.TempDir(), "params.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"n": 1, "x": 2}`), 0o600))
	for _, object := range []string{`{"n": 1, "x": 2}`, "@" + file} {
		got, err := readParams(t.Context(), cl, "a/b", object, pairs{{"n", "3"}})
		require.NoError(t, err)
		assert.JSONEq(t, `{"n":3,"x":2}`, string(got))
	}
	for _, object := range []string{"null", "[1]", "{", `{"x": 1, "x": 2}`, "@" + file + ".not"} {
		_, err := readParams(t.Context(), cl, "a/b", object, pairs{{"n", "3"}})
		require.ErrorContains(t, err, "params: ")
	}
}

// Every flag that can be repeated takes what is typed. Those that part a value at commas
// say so.
func TestNoFlagSplitsItsValue(t *testing.T) {
	t.Parallel()
	var c commands
	var walk func(n *kong.Node)
	repeatable := 0
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			if !f.IsSlice() && !f.IsMap() {
				continue
			}
			repeatable++
			_, ours := f.Target.Addr().Interface().(kong.MapperValue)
			assert.True(t, ours || f.Tag.Sep == -1 || strings.Contains(f.Help, "separated by commas"), "%s --%s", n.Path(), f.Name)
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(newParser(t.Context(), &c, streams{}, func(int) {}).Model.Node)
	assert.Greater(t, repeatable, 5)
}

// Flags of pairs keep what follows the first =, and take a name once.
func TestPairsAreKeptWhole(t *testing.T) {
	t.Parallel()
	c, err := parsed(t, "run", "a/b", "-i", "data=a;b,c=d.csv", "--label", "k=a;b,c", "--label", "l=", "--lock", "x=2", "--lock", "y=1")
	require.NoError(t, err)
	assert.Equal(t, uniquePairs{"data": "a;b,c=d.csv"}, c.Run.Input)
	assert.Equal(t, uniquePairs{"k": "a;b,c", "l": ""}, c.Run.Label)
	assert.Equal(t, uniquePairs{"x": "2", "y": "1"}, c.Run.Lock)
	c, err = parsed(t, "serve", "--vet", "a=1,b=2", "--vet", "c=3")
	require.NoError(t, err)
	assert.Equal(t, []string{"a=1,b=2", "c=3"}, c.Serve.Vet)
}

func TestWrongPairsAreNamed(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		`--param: "steps": want NAME=VALUE`:                             {"run", "a/b", "-p", "steps"},
		`--param: "=5": want NAME=VALUE`:                                {"run", "a/b", "-p", "=5"},
		`--label: "team": want KEY=VALUE`:                               {"run", "a/b", "--label", "team"},
		`--label: a is given twice, as "1" and as "2": want it once`:    {"jobs", "ls", "--label", "a=1", "--label", "a=2"},
		`--input: data is given twice, as "a.csv" and as "b.csv": want`: {"run", "a/b", "-i", "data=a.csv", "-i", "data=b.csv"},
	} {
		_, err := parsed(t, args...)
		require.ErrorContains(t, err, says)
	}
}
