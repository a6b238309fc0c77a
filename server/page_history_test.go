package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/servertest"
)

// manyJobs returns a batch of n jobs that have ended.
func manyJobs(t *testing.T, s *servertest.Server, n int) core.Batch {
	t.Helper()
	request := core.BatchRequest{}
	for range n {
		request.Jobs = append(request.Jobs, core.BatchJob{Request: core.Request{Routine: "hostile/nothing", Cache: "off"}})
	}
	var b core.Batch
	require.NoError(t, s.Client.Post(t.Context(), "/api/v1/batches", request, &b))
	require.Eventually(t, func() bool {
		require.NoError(t, s.Client.Get(t.Context(), "/api/v1/batches/"+b.ID, &b))
		return b.Done
	}, time.Minute, 20*time.Millisecond)
	return b
}

// Whoever goes back finds the place as they left it: what was loaded, how far it was
// scrolled, what had the focus, and what was typed.
func TestBackKeepsThePlaceAndWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 4}, hostile)
	manyJobs(t, s, 260)
	ctx, complaints := browser(t)
	rows := `document.querySelectorAll('tr[data-job]').length`
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(s.URL+"/#/jobs"), chromedp.Poll[chromedp.Void](rows+` === 50`))
	for _, n := range []string{"100", "150", "200"} {
		do(t, ctx, press("main", "Older jobs"), chromedp.Poll[chromedp.Void](rows+` === `+n))
	}
	do(t, ctx, eval[chromedp.Void](`{
		const link = document.querySelectorAll('td.name a')[180];
		link.focus();
		link.scrollIntoView({ block: 'center' });
		window.at = [scrollY, link.getAttribute('href')];
		link.click();
	}`), chromedp.WaitVisible("#phase"), eval[chromedp.Void](`history.back()`), chromedp.WaitVisible("tr[data-job]"))
	assert.True(t, read(t, ctx, eval[bool](`scrollY === at[0] && at[0] > 1000 && document.activeElement.getAttribute('href') === at[1]`)))
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/nothing", Cache: "off"}, time.Minute)
	require.NoError(t, err)
	do(t, ctx, chromedp.WaitReady(`tr[data-job="`+j.ID+`"]`))
	assert.GreaterOrEqual(t, read(t, ctx, eval[int](rows)), 200, "what was loaded is there when events come again")

	do(t, ctx, chromedp.Navigate(s.URL+"/#/run/models/sir"), chromedp.WaitVisible("#submit"), eval[chromedp.Void](`document.querySelector('form details').open = true`),
		chromedp.SetValue("#f-params-population", "4321"), chromedp.SetValue("#f-labels", "who=ana"), chromedp.Click("#submit"), phase("completed"),
		eval[chromedp.Void](`history.back()`), chromedp.WaitVisible("#submit"))
	assert.Equal(t, "4321 who=ana", read(t, ctx, eval[string](`document.querySelector('#f-params-population').value + ' ' + document.querySelector('#f-labels').value`)))
	do(t, ctx, eval[chromedp.Void](`history.forward()`), phase("completed"))
	assert.Empty(t, complaints())
}

// What is typed survives that the whole page is left, for a document or to load it anew.
func TestLoadingThePageAnewKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/#/run/models/sir"), chromedp.WaitVisible("#submit"), chromedp.SetValue("#f-params-population", "4321"),
		chromedp.Reload(), chromedp.WaitVisible("#submit"))
	assert.Equal(t, "4321", read(t, ctx, chromedp.Value("#f-params-population")))
	assert.Empty(t, complaints())
}

// Arrows move through the choices of a list: that is not yet a choice (WCAG 3.2.2).
func TestAnArrowInAListLeavesThePageAsItIs(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{})
	ctx, complaints := browser(t)
	_, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir"}, time.Minute)
	require.NoError(t, err)
	for _, at := range [][2]string{{"jobs", "[name=phase]"}, {"run/models/sir", "#routine"}} {
		view, list := at[0], at[1]
		do(t, ctx, chromedp.Navigate(s.URL+"/#/"+view), chromedp.WaitVisible(list), eval[chromedp.Void](`window.place = [location.hash, document.querySelector('`+list+`').value]; document.querySelector('`+list+`').focus()`),
			chromedp.KeyEvent(kb.ArrowDown), chromedp.Poll[chromedp.Void](`document.querySelector('`+list+`').value !== place[1]`))
		assert.True(t, read(t, ctx, eval[bool](`location.hash === place[0] && document.activeElement === document.querySelector('`+list+`')`)), view)
	}
	do(t, ctx, chromedp.Click("#choose"), chromedp.Poll[chromedp.Void](`location.hash !== place[0]`), chromedp.WaitVisible("#submit"))
	do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs"), chromedp.WaitVisible("[name=phase]"), chromedp.SetValue("[name=phase]", "running"), chromedp.Click(".filters button"),
		chromedp.Poll[chromedp.Void](`location.hash === '#/jobs?phase=running'`))
	assert.Empty(t, complaints())
}

// A filter without a field is shown, can be removed, and is named before anything is done to
// what it selects.
func TestAFilterWithoutAFieldIsShownAndNamed(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 4}, hostile)
	b := manyJobs(t, s, 3)
	manyJobs(t, s, 2)
	ctx, complaints := browser(t)
	rows := `document.querySelectorAll('tr[data-job]').length`
	do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs?tenant=default&phase=completed&batch="+b.ID), chromedp.Poll[chromedp.Void](rows+` === 3`))
	assert.Contains(t, textOf(t, ctx, `[data-filter=batch]`), b.ID)
	assert.Contains(t, textOf(t, ctx, `[data-filter=tenant]`), "default")
	do(t, ctx, press("main", "Delete all"), chromedp.WaitVisible("dialog[open]"))
	question := textOf(t, ctx, "dialog p")
	for _, part := range []string{"3 jobs", "batch " + b.ID, "tenant default", "phase completed"} {
		assert.Contains(t, question, part)
	}
	do(t, ctx, chromedp.Click(`dialog button[type=button]`), chromedp.Click(`[data-filter=batch] .button`), chromedp.Poll[chromedp.Void](rows+` === 5`),
		chromedp.Click(`[data-filter=tenant] .button`), chromedp.Poll[chromedp.Void](`location.hash === '#/jobs?phase=completed'`))
	assert.Empty(t, complaints())
}

// away returns the address of a proxy to a server. While gone is set, the server is away.
func away(t *testing.T, s *servertest.Server) (address string, gone *atomic.Bool) {
	t.Helper()
	to, err := url.Parse(s.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	gone = &atomic.Bool{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() && r.URL.Path != "/" {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL, gone
}

// Each view that was asked for while the server was away comes by itself once it is back, and
// at once where its button is pressed.
func TestAViewThatFailedTriesAgain(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{}, hostile)
	s.Sample(t, "penguins", "penguins.json")
	ended := submit(t, s, core.Request{Routine: "models/sir"})
	b := manyJobs(t, s, 1)
	front, gone := away(t, s)
	ctx, _ := browser(t)
	do(t, ctx, chromedp.Navigate(front+"/#/none"), chromedp.WaitVisible(".problem"))
	for view, sign := range map[string]string{
		"jobs": "tr[data-job]", "run/models/sir": "#submit", "batches": "tr[data-batch]", "batches/" + b.ID: ".batch", "datasets": "td.num", "datasets/penguins": ".page td",
		"routines": ".routines", "plugins": ".plugins li", "plugins/models": "tr[data-version]", "limits": "#f-slots", ended[len(s.URL)+3:]: "#phase",
	} {
		t.Run(view, func(t *testing.T) {
			gone.Store(true)
			do(t, ctx, eval[chromedp.Void](`location.hash = '#/`+view+`'`), chromedp.WaitVisible(".failed .problem"), chromedp.WaitVisible(".failed button"))
			gone.Store(false)
			if view == "datasets" {
				do(t, ctx, chromedp.Click(".failed button"))
			}
			do(t, ctx, chromedp.WaitVisible(sign), chromedp.WaitNotPresent(".failed"))
			do(t, ctx, eval[chromedp.Void](`location.hash = '#/none'`), chromedp.WaitVisible(".problem"))
		})
	}
}

// A job that waits for others links to each of them.
func TestAJobLinksToAllThatItWaitsFor(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 8}, hostile)
	ctx, complaints := browser(t)
	locked := core.Request{Routine: "hostile/endless", Cache: "off", Locks: []job.Lock{{Name: "licence:matlab", Limit: 2}}}
	var ids []string
	for range 2 {
		j, err := s.Client.Submit(t.Context(), locked, 0)
		require.NoError(t, err)
		ids = append(ids, j.ID)
	}
	links := func(at string) []string {
		do(t, ctx, chromedp.Navigate(at), chromedp.WaitVisible(".state a"))
		return read(t, ctx, eval[[]string](`[...document.querySelectorAll('.state a')].map((a) => a.getAttribute('href'))`))
	}
	both := []string{"#/jobs/" + ids[0], "#/jobs/" + ids[1]}
	assert.Equal(t, both, links(submit(t, s, core.Request{Routine: "models/sir", After: ids})))
	assert.Equal(t, append([]string{"#/limits"}, both...), links(submit(t, s, locked)))
	seed := uint64(1)
	same := core.Request{Routine: "hostile/endless", Seed: &seed}
	first := submit(t, s, same)
	assert.Equal(t, []string{first[len(s.URL)+1:]}, links(submit(t, s, same)))
	for _, at := range both {
		do(t, ctx, chromedp.Navigate(s.URL+"/"+at), chromedp.WaitVisible("#phase.running"))
	}
	assert.Empty(t, complaints())
}
