package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/docs"
	"thresher/server/servertest"
)

// Charts that would draw for ever, or take all the memory there is: the page stays as quick
// as it is, says that the chart cannot be drawn, and draws the next one.
func TestAChartWithoutEndDoesNotFreezeThePage(t *testing.T) {
	t.Parallel()
	point := func(data, more string) string {
		return `{"data":` + data + `,"mark":"point","encoding":{"x":{"field":"data","type":"quantitative"}}` + more + `}`
	}
	one := `{"values":[{"data":1}]}`
	charts := []struct{ name, does, spec string }{
		{"sequence", "makes 10¹² numbers as its data", point(`{"sequence":{"start":0,"stop":1e12}}`, ``)},
		{"graticule", "draws a net of a millionth of a degree over the earth", `{"data":{"graticule":{"stepMinor":[1e-6,1e-6]}},"projection":{"type":"mercator"},"mark":"geoshape"}`},
		{"calculate", "calculates a list of 10⁹ numbers", point(one, `,"transform":[{"calculate":"sequence(1e9)","as":"data"},{"flatten":["data"]}]`)},
		{"text", "pads a text to 10⁹ characters, for ever longer ones", point(one, `,"transform":[{"calculate":"pad('x',1e9,pad('y',1e8,'z'))","as":"data"}]`)},
		{"impute", "fills in what is missing of 10¹² keys", point(one, `,"transform":[{"impute":"data","key":"data","keyvals":{"start":0,"stop":1e12},"value":0}]`)},
		{"density", "estimates a density at 10¹² points", point(one, `,"transform":[{"density":"data","extent":[0,1],"steps":1e12}]`)},
		{"bins", "puts numbers up to 10⁹ into bins of a thousandth", `{"data":{"values":[{"a":0},{"a":1e9}]},"mark":"bar","encoding":{"x":{"bin":{"step":1e-3},"field":"a"},"y":{"aggregate":"count"}}}`},
		{"ticks", "has 10¹⁰ ticks at an axis", point(`{"values":[{"data":0},{"data":1e12}]}`, `,"config":{"axis":{"tickCount":1e10}}`)},
		{"product", "makes each of 3000 rows 3000 rows, and those again", point(`{"sequence":{"start":0,"stop":3000}}`, `,"transform":[{"calculate":"sequence(3000)","as":"a"},{"flatten":["a"]},{"calculate":"sequence(3000)","as":"b"},{"flatten":["b"]}]`)},
		{"width", "is 10⁹ pixels wide", point(one, `,"width":1e9`)},
		{"deep", "nests 3000 layers", strings.Repeat(`{"layer":[`, 3000) + point(one, ``) + strings.Repeat(`]}`, 3000)},
		{"no_chart", "is not JSON", `[1,2`},
	}
	documented(t, charts)
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/routines"), chromedp.WaitVisible(".routines"), eval[chromedp.Void](`
		window.charts = {};
		const real = window.fetch;
		window.fetch = (at, how) => at.includes('/artifacts/') ? Promise.resolve(new Response(charts[at.split('/').pop()])) : real(at, how);
		import('/ui/charts.js').then(({ chart, patience }) => {
			window.draw = (name, text, ms) => {
				patience.ms = ms;
				charts[name] = text;
				const node = chart('/jobs/x', { name, media_type: 'application/vnd.vegalite.v5+json', bytes: text.length });
				node.id = name;
				document.querySelector('main').prepend(node);
			};
		});`), chromedp.Poll[chromedp.Void](`window.draw`))
	patience := map[string]int{"product": 8000} // ms: it is to take all the memory of its process
	draw := func(t *testing.T, name, spec string) {
		t.Helper()
		text, err := json.Marshal(spec)
		require.NoError(t, err)
		do(t, ctx, eval[chromedp.Void](fmt.Sprintf(`draw(%q, %s, %d)`, name, text, cmp.Or(patience[strings.TrimPrefix(name, "after-")], 1500))))
	}
	for _, c := range charts {
		t.Run(c.name, func(t *testing.T) {
			name := c.name
			draw(t, name, c.spec)
			draw(t, "after-"+name, point(one, ``))
			do(t, ctx, chromedp.WaitReady("#"+name+" .problem"), chromedp.WaitReady("#after-"+name+" .marks"))
			assert.Contains(t, textOf(t, ctx, "#"+name+" .problem"), "cannot be drawn")
		})
	}
	assert.Empty(t, complaints())
}

// documented holds the attacks against their table in docs/attacks.md.
func documented(t *testing.T, charts []struct{ name, does, spec string }) {
	t.Helper()
	text, err := docs.Files.ReadFile("attacks.md")
	require.NoError(t, err)
	var rows strings.Builder
	for _, c := range charts {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", c.name, c.does)
	}
	assert.Contains(t, string(text), rows.String(), "docs/attacks.md should have these lines")
}

// A chart says what its marks stand for to whoever points at them.
func TestAChartHasTipsAndAPicture(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	at := submit(t, s, core.Request{Routine: "models/sir"})
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(at), phase("completed"), chromedp.WaitReady(".chart .marks"), eval[chromedp.Void](`{
		const { left, top, width, height } = document.querySelector('.chart .marks').getBoundingClientRect();
		for (let x = 0; x < width; x += 10) for (let y = 0; y < height; y += 10) {
			if (document.querySelector('.tip:not([hidden])')) break;
			document.querySelector('.chart .marks').dispatchEvent(new PointerEvent('pointermove', { clientX: left + x, clientY: top + y, bubbles: true }));
		}
		window.saved = [];
		HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
	}`), chromedp.WaitVisible(".tip:not([hidden])"))
	assert.Contains(t, textOf(t, ctx, ".tip"), "step")
	do(t, ctx, eval[chromedp.Void](`document.querySelector('.chart ~ .actions button').click()`), chromedp.Poll[chromedp.Void](`saved.length === 1`))
	assert.True(t, strings.HasSuffix(read(t, ctx, eval[string](`saved[0]`)), ".png"))
	assert.Empty(t, complaints())
}
