package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core"
	"thresher/core/job"
	"thresher/plugins/registry/registrytest"
	"thresher/server/servertest"
)

// Values as JSON texts, by the type that a schema names. What a control could spoil is
// among them: line ends, digits past 53 bits, texts that look like other types.
var formValues = map[string][]string{
	"string": {
		`""`, `"basin"`, `"first line\nsecond line"`, `"\r\n"`, `" spaces "`, `"a, b=c"`, `"true"`, `"null"`, `"007"`, `"1e5"`, `"\u0000"`,
		`"\"quoted\" \\ \t"`, `"<b>&amp;"`, `"üñî 🜚"`, `"2026-13-45"`, `"{\"a\":1}"`, `"` + strings.Repeat("long ", 200) + `"`,
	},
	"integer": {
		`0`, `-1`, `5`, `9007199254740991`, `9007199254740993`, `-9007199254740993`, `1970670598291982291`, `9223372036854775807`,
		`18446744073709551615`, `1000000000000000000000000000001`,
	},
	"number": {
		`0`, `0.5`, `-1.25`, `0.1`, `1e-7`, `1e21`, `1.7976931348623157e308`, `5e-324`, `0.30000000000000000001`, `1e400`, `123456789.123456789123`,
		`9007199254740993`, `1e2`,
	},
	"boolean": {`true`, `false`},
	"null":    {`null`},
	"object":  {`{}`, `{"a":1}`, `{"__proto__":{"b":2},"constructor":null,"":[]}`, `{"deep":{"er":[9007199254740993,{"x":"y\nz"}]}}`},
	"array":   {`[]`, `[1,2]`, `["a","b"]`, `["a\nb",""," c "]`, `[true,false]`, `[[1,0],[0,1]]`, `[9007199254740993,0.1]`, `[null]`, `[{"a":[1]}]`, `["1",1]`},
}

// aProperty draws the schema of a param, with a default.
func aProperty(t *rapid.T) string {
	kind := rapid.SampledFrom([]string{"string", "integer", "number", "boolean", "null", "object", "array"}).Draw(t, "type")
	value := rapid.SampledFrom(formValues[kind]).Draw(t, "default")
	other := rapid.SampledFrom(formValues["string"]).Draw(t, "other")
	more := rapid.SampledFrom([]string{
		``, ``, `,"type":"` + kind + `"`, `,"type":"` + kind + `"`, `,"type":"` + kind + `"`, `,"type":["` + kind + `"]`, `,"type":["null","` + kind + `"]`,
		`,"enum":[` + other + `,null,1,"1",` + value + `]`, `,"const":` + value, `,"writeOnly":true`, `,"type":"` + kind + `","writeOnly":true`,
		`,"anyOf":[{"type":"` + kind + `"},{"type":"object"}]`, `,"$ref":"#/$defs/` + kind + `"`,
	}).Draw(t, "more")
	if kind == "array" && rapid.Bool().Draw(t, "items") {
		more += `,"items":{"type":` + rapid.SampledFrom([]string{`"string"`, `"integer"`, `"number"`, `"boolean"`, `["integer","null"]`, `"array"`}).Draw(t, "of") + `}`
	}
	if kind == "string" && rapid.Bool().Draw(t, "format") {
		more += rapid.SampledFrom([]string{`,"format":"date"`, `,"format":"email"`, `,"format":"other"`, `,"format":"constructor"`, `,"maxLength":100000`, `,"title":"A text"`}).Draw(t, "string")
	}
	return `{"default":` + value + more + `}`
}

const formDefs = `{"string":{"type":"string"},"integer":{"type":"integer"},"number":{"type":"number"},"boolean":{"type":"boolean"},"null":{"type":"null"},"object":{"type":"object"},"array":{"type":"array"}}`

// Whatever a schema says and whatever its default is: the form that nobody touched has it.
func TestAFormGivesBackTheDefaultOfEverySchema(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/routines"), chromedp.WaitVisible(".routines"), eval[chromedp.Void](`
		Promise.all([import('/ui/fields.js'), import('/ui/json.js')]).then(([{ param }, { parse, write, equal, own }]) => {
			// changed lists the properties whose field does not have what the schema says.
			window.changed = (text) => {
				const root = parse(text);
				return Object.keys(root.properties).filter((name) => {
					const f = param(name, root.properties[name], true, undefined, root);
					document.querySelector('main').replaceChildren(f.node);
					const want = own(root.properties[name], 'default');
					return !f.check() || !equal(want, f.read()) || write(f.read()) !== write(want);
				}).map((name) => name + ' ' + write(root.properties[name]));
			};
		})`), chromedp.Poll[chromedp.Void](`window.changed`))
	rapid.Check(t, func(rt *rapid.T) {
		properties := rapid.SliceOfN(rapid.Custom(aProperty), 20, 40).Draw(rt, "properties")
		for i, p := range properties {
			properties[i] = fmt.Sprintf(`"p%d":%s`, i, p)
		}
		schema, err := json.Marshal(`{"$defs":` + formDefs + `,"properties":{"lone":{"type":"string","default":"\ud800"},` + strings.Join(properties, ",") + `}}`)
		require.NoError(t, err)
		if changed := read(t, ctx, eval[[]string](`changed(`+string(schema)+`)`)); len(changed) > 0 {
			rt.Fatal(changed)
		}
	})
	assert.Empty(t, complaints())
}

// pushForm uploads a plugin whose params have a schema.
func pushForm(t *testing.T, s *servertest.Server, schema string) {
	t.Helper()
	v := push(t, s, registrytest.Plugin{Params: schema, Bare: true}.Wasm(), "", nil)
	require.Equal(t, "ready", v.State, "%+v", v.Report.Refusal)
}

// submitted presses Run, and returns the job that came of it.
func submitted(t *testing.T, ctx context.Context, s *servertest.Server) core.Job {
	t.Helper()
	do(t, ctx, chromedp.Click("#submit"), chromedp.WaitVisible("#phase"))
	id := read(t, ctx, eval[string](`location.hash.split('/').pop()`))
	j, err := s.Client.Job(t.Context(), id)
	require.NoError(t, err)
	return j
}

// sameJSON compares values: numbers by what they are, however they are written.
func sameJSON(t *testing.T, want, got string, msg ...any) {
	t.Helper()
	assert.Equal(t, canonical(t, want), canonical(t, got), msg...)
}

func canonical(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), text)
	return rational(v)
}

func rational(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(v.String())
		return r.String()
	case []any:
		for i := range v {
			v[i] = rational(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = rational(v[k])
		}
	}
	return v
}

// The whole way: the schema of a real plugin, its form, the submit, the job; and once more
// from the job, through the form, to another job.
func TestDefaultsAndParamsSurviveTheFormAndRunningAgain(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	var properties, defaults []string
	names := []string{"constructor", "toString", "a b", "a-b", "a_b", "ü", "x/y", "10", "9"}
	for _, kind := range []string{"string", "integer", "number", "boolean", "null", "object", "array"} {
		for i, v := range formValues[kind] {
			if v == `1e400` {
				continue // no SDK could read it: a manifest with it is refused
			}
			name := fmt.Sprintf("%s%d", kind, i)
			if len(names) > 0 && i%3 == 0 {
				name, names = names[0], names[1:]
			}
			quoted, err := json.Marshal(name)
			require.NoError(t, err)
			properties = append(properties, fmt.Sprintf(`%s:{"type":%q,"default":%s}`, quoted, kind, v))
			defaults = append(defaults, fmt.Sprintf(`%s:%s`, quoted, v))
		}
	}
	require.Empty(t, names)
	pushForm(t, s, `{"type":"object","additionalProperties":false,"properties":{`+strings.Join(properties, ",")+`,"left_open":{"type":"boolean"},"empty":{"type":"string"}}}`)
	want := `{` + strings.Join(defaults, ",") + `}`
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/run/probe/run"), chromedp.WaitVisible("#submit"))
	first := submitted(t, ctx, s)
	sameJSON(t, want, string(first.Spec.Params), "what was not set is not there")
	do(t, ctx, chromedp.Click("#again"), chromedp.WaitVisible("#submit"))
	sameJSON(t, want, string(submitted(t, ctx, s).Spec.Params))
	assert.Empty(t, complaints())
}

// Everything that a request can have, with odd values.
func TestRunningAgainTakesTheWholeRequest(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 1})
	pushForm(t, s, `{"type":"object","properties":{"big":{"type":"integer"},"secret":{"type":"string","writeOnly":true}}}`)
	before, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	seed := uint64(1<<53 - 1)
	for name, request := range map[string]core.Request{
		"plain": {},
		"full": {
			Params: json.RawMessage(`{"big":9007199254740993,"secret":"hush","undeclared":{"n":18446744073709551615}}`), Seed: &seed, Priority: "high", Cache: "off",
			Labels: map[string]string{"note": "a=1, b", " spaced ": " x ", "empty": ""},
			Limits: &job.Limits{MemoryBytes: 100 << 20, WallSeconds: 12.5, CPUSeconds: 7, Gas: 123456789, OutputBytes: 12345, LogBytes: 1 << 16, Artifacts: 3},
			Locks:  []job.Lock{{Name: "licence", Limit: 1}, {Name: "disk:/a", Limit: 3}}, After: []string{before.ID},
		},
		"odd":  {Labels: map[string]string{"lines": "a\nb", "json": `{"a":1}`}, Priority: "low", Tenant: "acme", Params: json.RawMessage(`{"__proto__":1,"constructor":2}`)},
		"last": {Labels: map[string]string{"{": "x"}, SkipIfQueued: true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, complaints := browser(t)
			request.Routine = "probe/run"
			if request.Tenant != "" {
				request.Routine = "models/sir"
				request.Params = nil
			}
			ran, err := s.Client.Submit(t.Context(), request, time.Minute)
			require.NoError(t, err)
			do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs/"+ran.ID), chromedp.Click("#again"), chromedp.WaitVisible("#submit"))
			assert.NotContains(t, textOf(t, ctx, "main"), "hush")
			again := submitted(t, ctx, s)
			require.NotEqual(t, ran.ID, again.ID)
			assert.Equal(t, ran.Tenant, again.Tenant)
			sameJSON(t, string(ran.Spec.Params), string(again.Spec.Params))
			assert.Equal(t, ran.Spec.QueueKey == "", again.Spec.QueueKey == "")
			ran.Spec.Params, again.Spec.Params, ran.Spec.QueueKey, again.Spec.QueueKey = nil, nil, "", ""
			assert.Equal(t, ran.Spec, again.Spec)
			assert.NotContains(t, textOf(t, ctx, "main"), "hush")
			assert.Empty(t, complaints())
		})
	}
}

// What is typed is sent with all its digits, or what is wrong with it is said in words.
func TestAFormChecksWhatIsTyped(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	pushForm(t, s, `{"type":"object","required":["name","day"],"properties":{
		"name":{"type":"string","title":"Name"},
		"day":{"type":"string","format":"date"}, "at":{"type":"string","format":"date-time"}, "mail":{"type":"string","format":"email"},
		"uri":{"type":"string","format":"uri"}, "id":{"type":"string","format":"uuid"}, "host":{"type":"string","format":"ipv4"},
		"ratio":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}, "count":{"type":"integer","multipleOf":5,"minimum":5,"maximum":50},
		"any":{"type":"integer"}, "exact":{"type":"number"}, "short":{"type":"string","minLength":2,"maxLength":3},
		"list":{"type":"array","items":{"type":"integer"},"maxItems":2}, "flags":{"type":"array","items":{"type":"boolean"}}, "tree":{"type":"object"},
		"secret":{"type":"string","writeOnly":true}, "token":{"type":"object","properties":{"key":{"type":"string","writeOnly":true}}}}}`)
	ctx, complaints := browser(t)
	set := func(name, value string) {
		do(t, ctx, chromedp.SetValue("#f-params-"+name, value))
	}
	do(t, ctx, chromedp.Navigate(s.URL+"/#/run/probe/run"), chromedp.WaitVisible("#submit"), chromedp.Click("#submit"), chromedp.WaitVisible("#f-params-day-wrong:not(:empty)"))
	assert.Equal(t, "This is required.", textOf(t, ctx, "#f-params-name-wrong"))
	assert.Equal(t, "f-params-name", read(t, ctx, eval[string](`document.activeElement.id`)))
	assert.Equal(t, 2, read(t, ctx, eval[int](`document.querySelectorAll('[id^=f-params][aria-required]').length`)))
	assert.Contains(t, textOf(t, ctx, `label[for="f-params-day"]`), "required")
	assert.Equal(t, "password", read(t, ctx, eval[string](`document.querySelector('#f-params-secret').type`)))
	assert.Equal(t, "disc", read(t, ctx, eval[string](`getComputedStyle(document.querySelector('#f-params-token')).webkitTextSecurity`)))
	for name, cases := range map[string]map[string]string{
		"day":   {"2026-13-45": "want a day such as", "2026-02-29": "want a day", "tomorrow": "want a day"},
		"at":    {"2026-03-14": "want a moment such as", "2026-03-14T25:00:00Z": "want a moment"},
		"mail":  {"ada": "want an address such as"},
		"uri":   {"example": "want an address such as"},
		"id":    {"12": "want a UUID such as"},
		"host":  {"1.2.3.256": "want an address such as 192.0.2.1"},
		"ratio": {"1.5": "1.5: want less than 1", "0": "0: want more than 0", "x": "x: want a number", "0,5": "want a point in a number: 0.5"},
		"count": {"7": "want a multiple of 5", "0": "want at least 5", "55": "want at most 50", "5.5": "want a whole number"},
		"any":   {"1e3": "want a whole number", "ten": "want a whole number"},
		"short": {"a": "want at least 2", "abcd": "want at most 3", "🜚": "want at least 2"},
		"list":  {"1\nx": "line 2: x: want a whole number", "1\n2\n3": "want at most 2"},
		"flags": {"yes\nconstructor": "line 2: constructor: want true or false"},
		"tree":  {"{a:1}": "This is not JSON"},
	} {
		for typed, want := range cases {
			set(name, typed)
			do(t, ctx, chromedp.Click("#submit"))
			assert.Contains(t, textOf(t, ctx, "#f-params-"+name+"-wrong"), want, typed)
		}
	}
	jobs, err := s.Client.Jobs(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, jobs.Jobs, "nothing wrong was sent")
	for name, value := range map[string]string{
		"name": "x", "day": "2024-02-29", "at": "2026-03-14T15:09:26.5+01:00", "mail": "ada@example.org", "uri": "urn:x:y", "id": "123e4567-e89b-12d3-a456-426614174000",
		"host": "192.0.2.1", "ratio": ".5", "count": "+10", "any": "1970670598291982291", "exact": "0.30000000000000000001", "short": "🜚🜚", "list": "9007199254740993\n-2", "flags": "yes\nfalse",
		"tree": `{"n":9007199254740993}`, "secret": "hush", "token": `{"key":"hush"}`,
	} {
		set(name, value)
	}
	j := submitted(t, ctx, s)
	sameJSON(t, `{"name":"x","day":"2024-02-29","at":"2026-03-14T15:09:26.5+01:00","mail":"ada@example.org","uri":"urn:x:y","id":"123e4567-e89b-12d3-a456-426614174000",
		"host":"192.0.2.1","ratio":0.5,"count":10,"any":1970670598291982291,"exact":0.30000000000000000001,"short":"🜚🜚","list":[9007199254740993,-2],"flags":[true,false],
		"tree":{"n":9007199254740993},"secret":"hush","token":{"key":"hush"}}`, string(j.Spec.Params))
	do(t, ctx, chromedp.WaitVisible(".grid dl"))
	assert.NotContains(t, textOf(t, ctx, "main"), "hush")
	assert.Contains(t, textOf(t, ctx, "main"), "1970670598291982291")
	assert.Empty(t, complaints())
}
