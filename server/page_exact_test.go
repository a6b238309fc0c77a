package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core"
	"thresher/plugins/registry/registrytest"
	"thresher/server/servertest"
)

// The page reads and writes JSON by one codec, which changes no number.
func TestThePageKeepsEveryNumber(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/routines"), chromedp.WaitVisible(".routines"), eval[chromedp.Void](`
		import('/ui/json.js').then(({ parse, write }) => { window.again = (text) => write(parse(text)); })`), chromedp.Poll[chromedp.Void](`window.again`))
	again := func(text string) string {
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		return read(t, ctx, eval[string](`again(`+string(quoted)+`)`))
	}
	for _, text := range []string{`-0`, `1e400`, `-1e-400`, `0.1`, `0.10`, `100000000000000000000000`, `1E5`, `{"__proto__":1.5,"a":[9007199254740993]}`} {
		sameJSON(t, text, again(text), text)
	}
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?`)
	rapid.Check(t, func(rt *rapid.T) {
		text, err := json.Marshal(rapid.SliceOfN(rapid.Map(number, func(n string) json.RawMessage { return json.RawMessage(n) }), 1, 100).Draw(rt, "numbers"))
		require.NoError(t, err)
		sameJSON(t, string(text), again(string(text)))
	})
	assert.Empty(t, complaints())
}

// The digits stay when an event brings the job anew, as they do when it is loaded.
func TestEventsBringNumbersAsTheyAre(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	v := push(t, s, registrytest.Plugin{Bare: true, Steps: 1 << 31}.Wasm(), "", nil)
	require.Equal(t, "ready", v.State)
	ctx, complaints := browser(t)
	at := submit(t, s, core.Request{Routine: "probe/run", Params: json.RawMessage(`{"big":9007199254740993,"more":[18446744073709551615,0.30000000000000000001]}`)})
	given := func() string { return textOf(t, ctx, ".grid dl") }
	do(t, ctx, chromedp.Navigate(at), phase("running"), chromedp.WaitVisible("#live.live"))
	before := given()
	do(t, ctx, eval[chromedp.Void](`window.fetch = () => new Promise(() => {})`)) // only events tell
	_, err := s.Client.Ask(t.Context(), idOf(at), "pause")
	require.NoError(t, err)
	do(t, ctx, phase("paused"))
	for _, text := range []string{before, given()} {
		assert.Contains(t, text, "9007199254740993")
		assert.Contains(t, text, "18446744073709551615, 0.30000000000000000001")
	}
	assert.Empty(t, complaints())
}

// NaN and infinities of a run are shown as what they are, and not as missing data.
func TestFloatsThatAreNoNumbersAreShownAsSuch(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, {Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil))
	b.Field(0).(*array.Float64Builder).AppendValues([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 1.5, 0}, []bool{true, true, true, true, false})
	b.Field(1).(*array.StringBuilder).AppendValues([]string{"NaN", "Infinity", "a", "b", "null"}, nil)
	var file bytes.Buffer
	out := ipc.NewWriter(&file, ipc.WithSchema(b.Schema()))
	require.NoError(t, out.Write(b.NewRecordBatch()))
	require.NoError(t, out.Close())
	_, err := s.Client.PutDataset(t.Context(), "diverged", "arrow", &file)
	require.NoError(t, err)
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/datasets/diverged"), chromedp.WaitVisible(".page td"))
	cells := read(t, ctx, eval[[]string](`[...document.querySelectorAll('.page td:first-child')].map((td) => td.textContent + ' ' + td.className)`))
	assert.Equal(t, []string{"NaN diverged num", "Infinity diverged num", "-Infinity diverged num", "1.5 num", "null null num"}, cells)
	assert.Zero(t, read(t, ctx, eval[int](`document.querySelectorAll('.page td:last-child.diverged, .page td:last-child.null').length`)), "a text that looks like it is a text")
	assert.Empty(t, complaints())
}

// What grows while it is read stays where it was: what is scrolled to, and what is selected.
func TestWhatGrowsKeepsScrollAndSelection(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 2}, hostile)
	ctx, complaints := browser(t)
	// hold scrolls what is shown of a text or table to its middle, and selects something there.
	hold := func(selector, inside string) {
		do(t, ctx, eval[chromedp.Void](`{
			const box = document.querySelector('`+selector+`');
			const node = `+inside+`;
			box.scrollTop = (box.scrollHeight - box.clientHeight) / 2;
			getSelection().setBaseAndExtent(node, 0, node, 1);
			window.held = [box, box.scrollTop, node, node.data, box.textContent.length];
		}`))
		assert.Positive(t, read(t, ctx, eval[float64](`held[1]`)), "there is something to scroll")
	}
	stays := func() {
		assert.True(t, read(t, ctx, eval[bool](`held[0].isConnected && held[0].scrollTop === held[1]`)), "it is scrolled as before")
		assert.True(t, read(t, ctx, eval[bool](`held[2].isConnected && getSelection().anchorNode === held[2] && held[2].data.startsWith(held[3]) && !getSelection().isCollapsed`)), "it is selected as before")
	}
	at := submit(t, s, core.Request{Routine: "hostile/endless"})
	where := `document.querySelector('.where').textContent`
	rows := func(button string) {
		do(t, ctx, chromedp.Poll[chromedp.Void](`document.querySelectorAll('.page tbody tr').length >= 50`))
		if button != "" {
			do(t, ctx, press(".card", button),
				chromedp.Poll[chromedp.Void](`!`+where+`.startsWith('rows 1 ')`))
		}
		hold(".page", `box.querySelectorAll('tbody td')[25].firstChild`)
		do(t, ctx, eval[chromedp.Void](`window.was = `+where), chromedp.Poll[chromedp.Void](where+` !== was`), eval[chromedp.Void](`window.was = `+where), chromedp.Poll[chromedp.Void](where+` !== was`))
		stays()
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(at), phase("running"), chromedp.WaitVisible(".page td"))
	rows("")
	rows("Last")
	do(t, ctx, chromedp.Click("#stop"), phase("stopped"))

	at = submit(t, s, core.Request{Routine: "hostile/print"})
	do(t, ctx, chromedp.Navigate(at), phase("running"), chromedp.Poll[chromedp.Void](`document.querySelector('pre[aria-label=Log]')?.scrollHeight > 2000`))
	hold("pre[aria-label=Log]", `box.firstChild`)
	do(t, ctx, chromedp.Click("#stop"), phase("stopped"), chromedp.WaitVisible("#again"))
	stays()
	assert.Empty(t, complaints())
}

// typed puts a text into a field, in the place of what was there.
func typed(selector, value string) step {
	return eval[chromedp.Void](fmt.Sprintf(`{
		const field = document.querySelector(%q);
		field.value = %q;
		field.dispatchEvent(new Event('input', { bubbles: true }));
	}`, selector, value))
}

// The limits are read in the units that people write, checked where they are typed, and read
// back from the server.
func TestLimitsAreCheckedAndReadBack(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 2, MemoryBytes: 4 << 30})
	ctx, complaints := browser(t)
	limits := func() (l core.Limits) {
		require.NoError(t, s.Client.Get(t.Context(), "/api/v1/limits", &l))
		return l
	}
	before := limits()
	change := func(field, value string) { do(t, ctx, typed("#f-"+field, value), chromedp.Click("form .main")) }
	do(t, ctx, chromedp.Navigate(s.URL+"/#/limits"), chromedp.WaitVisible("#f-slots"))
	shown := func(field string) string { return read(t, ctx, chromedp.Value("#f-"+field)) }
	assert.Equal(t, "4 GiB, 10 min, 256 MiB, 7 d", shown("memory-bytes")+", "+shown("ageing-seconds")+", "+shown("job-memory-bytes")+", "+shown("max-job-wall-seconds"))
	for _, c := range []struct{ field, typed, right, says string }{
		{"slots", "two", "2", "two: want a whole number"},
		{"slots", "", "2", "This is required."},
		{"slots", "2.5", "2", "want a whole number"},
		{"memory-bytes", "256", "4 GiB", "256 MiB"},
		{"memory-bytes", "4 GW", "4 GiB", "GW is no unit here"},
		{"memory-bytes", "a lot", "4 GiB", "want a size such as 256 MiB"},
		{"memory-bytes", "0.3 B", "4 GiB", "no whole number of bytes"},
		{"ageing-seconds", "soon", "10 min", "want a time such as 30 s"},
		{"ageing-seconds", "0 s", "10 min", "want more than 0"}, // the server says so
		{"tenant-slots", "acme", "", "want NAME=LIMIT"},
		{"tenant-slots", "acme=two", "", "two: want a whole number"},
		{"tenant-slots", "No Such!=1", "", "nothing can have that name"},
		{"job-wall-seconds", "0", "1 h", "want more than 0"},
	} {
		change(c.field, c.typed)
		do(t, ctx, chromedp.WaitVisible("#f-"+c.field+"-wrong:not(:empty)"))
		assert.Contains(t, textOf(t, ctx, "#f-"+c.field+"-wrong"), c.says, c.typed)
		assert.Equal(t, before, limits(), c.typed)
		do(t, ctx, typed("#f-"+c.field, c.right))
	}
	do(t, ctx, typed("#f-plugin-slots", "modles=1"), chromedp.WaitVisible(".advice:not(:empty)"))
	assert.Contains(t, textOf(t, ctx, ".advice:not(:empty)"), "There is no plugin modles yet: did you mean models?")
	do(t, ctx, typed("#f-plugin-slots", ""))
	for _, c := range []struct{ field, typed, back string }{
		{"memory-bytes", "3.5 gib", "3584 MiB"}, {"ageing-seconds", "90 s", "90 s"}, {"job-memory-bytes", "131072 KiB", "128 MiB"},
		{"job-wall-seconds", "1.5 h", "90 min"}, {"cache-seconds", "0.25", "250 ms"}, {"max-job-gas", "1000000000000000001", "1000000000000000001"},
		{"tenant-weights", "*=1, acme=2.5", "*=1, acme=2.5"}, // names are sorted
	} {
		change(c.field, c.typed)
		do(t, ctx, chromedp.Poll[chromedp.Void](`document.querySelector('#changed')?.textContent.startsWith('The limits are in force: ')`),
			chromedp.Poll[chromedp.Void](`document.querySelector('#f-`+c.field+`').value !== '`+c.typed+`' || '`+c.typed+`' === '`+c.back+`'`))
		assert.Equal(t, c.back, shown(c.field))
	}
	after := limits()
	assert.Equal(t, int64(3584<<20), after.MemoryBytes)
	assert.InEpsilon(t, 5400, after.Job.WallSeconds, 1e-9)
	assert.Equal(t, int64(1000000000000000001), after.MaxJob.Gas)
	for _, text := range complaints() {
		assert.Contains(t, text, "422")
	}
}
