package server_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/servertest"
)

func submit(t *testing.T, s *servertest.Server, r core.Request) string {
	t.Helper()
	j, err := s.Client.Submit(t.Context(), r, 0)
	require.NoError(t, err)
	return s.URL + "/#/jobs/" + j.ID
}

// idOf returns the id of the job whose address submit returned.
func idOf(address string) string { return path.Base(address) }

// press clicks the button with a text, among those in what a selector selects.
func press(within, text string) step {
	return eval[chromedp.Void](`[...document.querySelectorAll('` + within + ` button')].find((b) => b.textContent === '` + text + `').click()`)
}

func eval[T any](js string) chromedp.Action[T] { return chromedp.Evaluate[T](js) }

func TestRunningAgainFillsTheFormWithWhatWasGiven(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	seed := uint64(7)
	at := submit(t, s, core.Request{
		Routine: "models/sir", Params: []byte(`{"population":321}`), Seed: &seed, Labels: map[string]string{"who": "ana"},
	})
	do(t, ctx, chromedp.Navigate(at), phase("completed"),
		chromedp.Click("#again"), chromedp.WaitVisible("#f-params-population"))
	assert.Equal(t, "321", read(t, ctx, chromedp.Value("#f-params-population")))
	assert.Equal(t, "7 who=ana", read(t, ctx, eval[string](`document.querySelector('#f-seed').value + ' ' + document.querySelector('#f-labels').value`)))
	do(t, ctx, chromedp.Click("#submit"), phase("completed"))
	jobs, err := s.Client.Jobs(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, jobs.Jobs, 2)
	assert.JSONEq(t, string(jobs.Jobs[1].Spec.Params), string(jobs.Jobs[0].Spec.Params))
	assert.Equal(t, seed, jobs.Jobs[0].Spec.Seed)
	assert.Empty(t, complaints())
}

func TestALimitCanBeSetAloneAndIsRefusedAtItsField(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, _ := browser(t)
	set := func(seconds string) {
		do(t, ctx, chromedp.SetValue("#f-limits-wall-seconds", seconds), chromedp.Click("#submit"))
	}
	do(t, ctx, chromedp.Navigate(s.URL+"/#/run/models/sir"), chromedp.WaitVisible("#f-params-population"),
		chromedp.Click("form summary"), chromedp.WaitVisible("#f-limits-wall-seconds"))
	set("99999999")
	do(t, ctx, chromedp.WaitVisible("#f-limits-wall-seconds-wrong:not(:empty)"))
	assert.Equal(t, "f-limits-wall-seconds", read(t, ctx, eval[string](`document.activeElement.id`)))
	set("60")
	do(t, ctx, phase("completed"))
}

// A row or a button that was made anew with each event would lose the focus, and
// the click that is under way.
func TestWhoUsesTheKeyboardKeepsTheFocusWhileAJobChanges(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{}, "thresher/plugins/hostile/guest")
	ctx, complaints := browser(t)
	at := submit(t, s, core.Request{Routine: "hostile/endless"})
	do(t, ctx, chromedp.Navigate(at), phase("running"), eval[chromedp.Void](`document.querySelector('#pause').focus()`))
	do(t, ctx, chromedp.Click("#pause"), phase("paused"))
	assert.Equal(t, "resume", read(t, ctx, eval[string](`document.activeElement.id`)), "the next button takes over")
	assert.Equal(t, "The job is paused", read(t, ctx, eval[string](`document.getElementById('announce').textContent`)))

	do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs"), chromedp.WaitVisible("td .phase.paused"),
		eval[chromedp.Void](`document.querySelector('td a').focus()`))
	for _, what := range []string{"resume", "stop"} {
		_, err := s.Client.Ask(t.Context(), at[strings.LastIndex(at, "/")+1:], what)
		require.NoError(t, err)
	}
	do(t, ctx, chromedp.WaitVisible("td .phase."+string(job.Stopped)))
	assert.True(t, read(t, ctx, eval[bool](`document.activeElement === document.querySelector('td a')`)))
	assert.Empty(t, complaints())
}

// The stream is the test's own, so that it opens when the test says so.
func TestAListWhoseStreamOpensAgainShowsEachJobOnce(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	kept, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	gone, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	row := func(id string) string { return `tr[data-job="` + id + `"]` }
	do(t, ctx, chromedp.Navigate(s.URL+"/#/routines"), chromedp.WaitVisible(".routines"), eval[chromedp.Void](`
		delete window.SharedWorker;
		window.EventSource = class { constructor() { window.stream = this; } addEventListener() {} close() {} };
		location.hash = '#/jobs';`),
		chromedp.WaitVisible(".jobs, .filters"), eval[chromedp.Void](`stream.onopen()`),
		chromedp.WaitVisible(row(gone.ID)))
	require.NoError(t, s.Client.Delete(t.Context(), gone.ID))
	do(t, ctx, eval[chromedp.Void](`stream.onopen()`), chromedp.WaitNotPresent(row(gone.ID)), chromedp.WaitVisible(row(kept.ID)))
	assert.Equal(t, 1, read(t, ctx, eval[int](`document.querySelectorAll('tr[data-job]').length`)))
	assert.Empty(t, complaints())
}

func TestAnUploadedTableIsShownAsItIs(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	choose(t, ctx, s, "my table.csv", "n,text\n9007199254740993,<img src=x onerror=alert(1)>\n")
	assert.Equal(t, "my-table", read(t, ctx, chromedp.Value("#name")))
	do(t, ctx, chromedp.Click(".drop form button"), chromedp.WaitVisible(".done a"),
		chromedp.Click(".done a"), chromedp.WaitVisible("td.num"), chromedp.Poll[chromedp.Void]("document.querySelectorAll('.page td').length === 2"))
	cells := read(t, ctx, eval[[]string](`[...document.querySelectorAll('.page td')].map((cell) => cell.textContent)`))
	assert.Equal(t, []string{"9007199254740993", "<img src=x onerror=alert(1)>"}, cells)
	assert.Empty(t, complaints())
}

// choose is what the form for a new dataset is given.
func choose(t *testing.T, ctx context.Context, s *servertest.Server, name, content string) {
	t.Helper()
	do(t, ctx, chromedp.Navigate(s.URL+"/#/datasets"), chromedp.WaitVisible(".drop"), eval[chromedp.Void](fmt.Sprintf(`{
		const data = new DataTransfer();
		data.items.add(new File([%q], %q));
		const file = document.querySelector('#file');
		file.files = data.files;
		file.dispatchEvent(new Event('change'));
	}`, content, name)),
		chromedp.WaitVisible("#name"))
}

func TestAnImporterReadsAnUploadedFile(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	choose(t, ctx, s, "heights.tsv", "name\theight\nAda\t1.7\n")
	assert.Equal(t, "formats/tsv", read(t, ctx, chromedp.Value("#format")))
	do(t, ctx, chromedp.Click(".drop form button"), chromedp.WaitVisible(".done a"),
		chromedp.Click(".done a"), chromedp.WaitVisible("td.num"))
	cells := read(t, ctx, eval[[]string](`[...document.querySelectorAll('.page td')].map((cell) => cell.textContent)`))
	assert.Equal(t, []string{"Ada", "1.7"}, cells)
	assert.Empty(t, complaints())

	choose(t, ctx, s, "broken.tsv", "name\theight\nAda\n")
	do(t, ctx, chromedp.Click(".drop form button"), chromedp.WaitVisible(".problem"))
	assert.Contains(t, read(t, ctx, chromedp.TextContent(".problem")), "line 2")
	do(t, ctx, chromedp.Navigate(s.URL+"/#/plugins/formats"), chromedp.WaitVisible("tr td"))
	assert.Empty(t, read(t, ctx, eval[[]string](`[...document.querySelectorAll('a.button')].map((b) => b.textContent)`)), "there is nothing to run")
}

func TestNoViewIsWiderThanAPhone(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "penguins", "penguins.json")
	ctx, complaints := browser(t)
	at := submit(t, s, core.Request{
		Routine: "tabular/describe", Inputs: map[string]string{"data": "penguins"}, Labels: map[string]string{"a-long-label": "with-a-long-value"},
	})
	do(t, ctx, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	for view, sign := range map[string]string{
		at:                            ".chart .marks",
		s.URL + "/#/jobs":             "td .phase",
		s.URL + "/#/run/models/sir":   "#submit",
		s.URL + "/#/datasets":         "td.num",
		s.URL + "/#/routines":         ".routines li",
		s.URL + "/#/datasets/nothing": ".problem",
		s.URL + "/docs":               "details#submit-job",
	} {
		do(t, ctx, chromedp.Navigate(view), chromedp.WaitVisible(sign))
		assert.LessOrEqual(t, read(t, ctx, eval[int](`document.documentElement.scrollWidth - window.innerWidth`)), 0, view)
	}
	for _, text := range complaints() {
		assert.Contains(t, text, "404", "only the dataset that is not there")
	}
}

func TestAJobShowsWhatItPrintsAndWhereItFailed(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{}, "thresher/plugins/hostile/guest")
	ctx, complaints := browser(t)
	at := submit(t, s, core.Request{Routine: "hostile/print"})
	do(t, ctx, chromedp.Navigate(at), chromedp.WaitVisible("pre[aria-label=Log]"), phase("running"))
	assert.Contains(t, read(t, ctx, chromedp.Text("pre[aria-label=Log]")), "spam", "while it runs")
	do(t, ctx, chromedp.Click("#stop"), phase("stopped"))

	at = submit(t, s, core.Request{Routine: "hostile/panic"})
	do(t, ctx, chromedp.Navigate(at), phase("failed"), chromedp.Click(".problem summary"), chromedp.WaitVisible(".problem pre"))
	assert.NotEmpty(t, read(t, ctx, chromedp.Text(".problem pre")))
	assert.Empty(t, complaints())
}

// What a chart says about embedding would win over what the page says, if the page
// let it: here it asks for links, for eval and for data of another host.
func TestAPluginsChartCannotChangeHowItIsEmbedded(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, _ := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/routines"), chromedp.WaitVisible(".routines"), eval[chromedp.Void](`
		window.loaded = [];
		new PerformanceObserver((list) => loaded.push(...list.getEntries().map((e) => e.name))).observe({ type: 'resource' });
		window.fetch = async () => new Response(JSON.stringify({
			usermeta: { embedOptions: { actions: true, ast: false, editorUrl: 'javascript:alert(1)', loader: { baseURL: 'http://127.0.0.1:9' } } },
			layer: [
				{ data: { url: 'http://127.0.0.1:9/data.csv' }, mark: 'point', encoding: { x: { field: 'a' } } },
				{ data: { values: [{ a: 1, i: 'http://127.0.0.1:9/i.png' }] }, mark: 'image', encoding: { url: { field: 'i' }, x: { field: 'a' } } },
			],
		}));
		import('/ui/charts.js').then(({ chart }) => document.querySelector('main').append(chart('/jobs/x', { name: 'c', media_type: '' })));`),
		chromedp.WaitReady(".chart .marks"))
	assert.Zero(t, read(t, ctx, eval[int](`document.querySelectorAll('.chart a, .chart details').length`)))
	assert.Empty(t, read(t, ctx, eval[[]string](`loaded.filter((name) => !name.startsWith(location.origin))`)))
}

func TestABatchIsFollowedAndActedOnAsAWhole(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 2}, hostile)
	ctx, complaints := browser(t)
	var b core.Batch
	require.NoError(t, s.Client.Post(t.Context(), "/api/v1/batches", core.BatchRequest{Labels: map[string]string{"study": "r0"}, Jobs: []core.BatchJob{
		{Request: core.Request{Routine: "hostile/nothing"}}, {Request: core.Request{Routine: "hostile/error"}}, {Request: core.Request{Routine: "hostile/loop"}},
	}}, &b))
	do(t, ctx, chromedp.Navigate(s.URL+"/#/batches"), chromedp.WaitVisible(".phase.failed"),
		chromedp.WaitVisible(".phase.running"), chromedp.Click("td.name a"), chromedp.WaitVisible("button.danger"))
	assert.Equal(t, "study=r0", read(t, ctx, eval[string](`document.querySelector('h1').textContent`)))
	do(t, ctx, chromedp.Click("button.danger"), chromedp.WaitVisible("dialog[open]"), chromedp.Click("dialog button.danger"),
		chromedp.WaitVisible(".phase.stopped"))
	do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs?batch="+b.ID+"&phase=stopped"), chromedp.WaitVisible("tr[data-job]"))
	assert.EqualValues(t, 1, read(t, ctx, eval[int](`document.querySelectorAll('tr[data-job]').length`)))
	assert.Empty(t, complaints())
}

func TestLimitsAreChangedOnThePage(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 2, Retention: map[string]core.Retention{"*": {
		AgeSeconds: 86400, Rules: []core.RetentionRule{{Plugin: "hostile", Phase: job.Failed, Count: 500}},
	}}}, hostile)
	ctx, complaints := browser(t)
	_, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/loop", Locks: []job.Lock{{Name: "licence:x"}}}, 0)
	require.NoError(t, err)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/limits"), chromedp.WaitVisible("[name=slots]"), chromedp.WaitVisible("td code"),
		chromedp.SetValue("[name=slots]", "3"), chromedp.SetValue("[name=tenant_slots]", "acme=1, *=2"),
		chromedp.SetValue("[name=plugin_queue_cap]", "hostile=7"),
		chromedp.Click("form .main"), chromedp.WaitVisible("#changed:not(:empty)"))
	var l core.Limits
	require.NoError(t, s.Client.Get(t.Context(), "/api/v1/limits", &l))
	assert.Equal(t, 3, l.Slots)
	assert.Equal(t, map[string]int{"hostile": 7}, l.PluginQueueCap)
	assert.Equal(t, map[string]int{"acme": 1, "*": 2}, l.TenantSlots)
	assert.Contains(t, read(t, ctx, eval[string](`[...document.querySelectorAll('td')].map((td) => td.textContent).join('|')`)),
		"all others|failed, of hostile|500 jobs")
	do(t, ctx, chromedp.SetValue("[name=slots]", "0"), chromedp.Click("form .main"), chromedp.WaitVisible("#f-slots-wrong:not(:empty)"))
	assert.Contains(t, textOf(t, ctx, "#f-slots-wrong"), "want 1 to")
	assert.Len(t, complaints(), 1, "the refused request shows in the console")
}

func TestALockIsReleasedByStoppingItsHolderOnThePage(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 2}, "thresher/plugins/hostile/guest")
	ctx, complaints := browser(t)
	var ids []string
	for range 2 {
		j, err := s.Client.Submit(t.Context(), core.Request{
			Routine: "hostile/endless", Cache: "off", Locks: []job.Lock{{Name: "licence:matlab", Limit: 1}},
		}, 0)
		require.NoError(t, err)
		ids = append(ids, j.ID)
	}
	stop := func(id string) string { return `button[aria-label="Stop ` + id + `"]` }
	do(t, ctx, chromedp.Navigate(s.URL+"/#/limits"), chromedp.Click(stop(ids[0])),
		chromedp.Click(`dialog button[value="yes"]`), chromedp.WaitVisible(stop(ids[1])))
	assert.Empty(t, complaints())
}
