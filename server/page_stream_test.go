package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/servertest"
)

// subscribed waits until so many streams are open.
func subscribed(t *testing.T, s *servertest.Server, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		now, _ := s.Engine.Subscribers()
		return now == n
	}, time.Minute, 10*time.Millisecond, "%d streams", n)
}

// hide makes a tab take itself for hidden, or for visible again.
func hide(hidden string) step {
	return eval[chromedp.Void](`Object.defineProperty(document, 'hidden', { value: ` + hidden + `, configurable: true });
		document.dispatchEvent(new Event('visibilitychange'))`)
}

// A browser opens six connections to a server: a stream for each tab would leave none for
// anything else.
func TestAnyNumberOfTabsShareOneStream(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 20}, hostile)
	ctx, complaints := browser(t)
	running := submit(t, s, core.Request{Routine: "hostile/endless", Cache: "off"})
	views := []string{
		s.URL + "/#/jobs", running, s.URL + "/#/batches", s.URL + "/#/limits", s.URL + "/#/plugins", s.URL + "/#/plugins/hostile", running,
		s.URL + "/#/jobs?phase=running", s.URL + "/#/jobs", s.URL + "/#/jobs",
	}
	var tabs []context.Context
	for _, view := range views {
		tab, closeTab := chromedp.NewContext(ctx)
		t.Cleanup(closeTab)
		do(t, tab, chromedp.Navigate(view), chromedp.WaitVisible("#live.live"), chromedp.WaitVisible("h1"))
		tabs = append(tabs, tab)
	}
	subscribed(t, s, 1)
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/endless", Cache: "off"}, 0)
	require.NoError(t, err)
	for _, i := range []int{0, 7, 8, 9} {
		do(t, tabs[i], chromedp.WaitVisible(`tr[data-job="`+j.ID+`"] .phase.running`))
	}
	_, err = s.Client.Ask(t.Context(), idOf(running), "stop")
	require.NoError(t, err)
	for _, i := range []int{1, 6} {
		do(t, tabs[i], phase("stopped"))
	}
	for _, tab := range tabs { // not left for another page: a browser may keep and freeze that for its Back, with the worker
		require.NoError(t, chromedp.Cancel(tab))
	}
	subscribed(t, s, 0)
	assert.Empty(t, complaints())
}

// Neither a hidden tab nor a view that was left follows the server; both are up to date once
// they are seen again. With a shared worker and without one.
func TestWhoIsNotSeenFollowsNothing(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"shared": ``, "alone": `delete window.SharedWorker`, "broken": `window.SharedWorker = class {
		constructor() { this.port = new MessageChannel().port1; setTimeout(() => this.onerror(new Event('error'))); } }`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.Start(t, core.Limits{Slots: 2}, hostile)
			ctx, complaints := browser(t)
			_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: before})
			require.NoError(t, err)
			at := submit(t, s, core.Request{Routine: "hostile/endless", Cache: "off"})
			id := idOf(at)
			do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs"), chromedp.WaitVisible("td .phase.running"), chromedp.WaitVisible("#live.live"))
			subscribed(t, s, 1)
			do(t, ctx, hide("true"), chromedp.WaitNotPresent("#live.live"))
			subscribed(t, s, 0)
			_, err = s.Client.Ask(t.Context(), id, "pause")
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				j, err := s.Client.Job(t.Context(), id)
				return err == nil && j.Phase == job.Paused
			}, time.Minute, 10*time.Millisecond)
			do(t, ctx, hide("false"), chromedp.WaitVisible("td .phase.paused"), chromedp.WaitVisible("#live.live"))
			do(t, ctx, eval[chromedp.Void](`location.hash = '#/routines'`), chromedp.WaitVisible(".routines"))
			subscribed(t, s, 0)
			_, err = s.Client.Ask(t.Context(), id, "stop")
			require.NoError(t, err)
			do(t, ctx, eval[chromedp.Void](`history.back()`), chromedp.WaitVisible("td .phase.stopped"))
			subscribed(t, s, 1)
			assert.Empty(t, complaints())
		})
	}
}
