package server_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server/servertest"
)

// What a live view shows changes under whoever uses it: an element that is focused, or
// pressed, must not be replaced by another that looks the same.
func TestAnElementInUseStaysWhileItsViewChanges(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{Slots: 8}, hostile)
	ctx, complaints := browser(t)
	endless := core.Request{Routine: "hostile/endless", Cache: "off", Locks: []job.Lock{{Name: "licence:matlab", Limit: 1}}}
	run := func() string {
		j, err := s.Client.Submit(t.Context(), endless, 0)
		require.NoError(t, err)
		return j.ID
	}
	post := func(path string, body, into any) {
		require.NoError(t, s.Client.Post(t.Context(), "/api/v1"+path, body, into))
	}
	batch := func() string {
		var b core.Batch
		post("/batches", core.BatchRequest{Jobs: []core.BatchJob{{Request: core.Request{Routine: "hostile/loop"}}, {Request: core.Request{Routine: "hostile/nothing"}}}}, &b)
		return b.ID
	}
	held, first := run(), batch()
	for _, c := range []struct {
		name, view, used string // used: the selector of the element in use
		change           func()
	}{
		{"limits", "limits", `button[aria-label="Stop ` + held + `"]`, func() { run() }},
		{"jobs", "jobs", `tr[data-job="` + held + `"] td.name a`, func() { run() }},
		{"batches", "batches", `tr[data-batch="` + first + `"] td.name a`, func() { batch() }},
		{"batch", "batches/" + first, `.counts a[href$="phase=completed"]`, func() { post("/batches/"+first+"/stop", nil, nil) }},
		{"plugin", "plugins/hostile", `tr[data-version] td.name a`, func() { run() }},
		{"plugins", "plugins", `li[data-plugin="hostile"] a`, func() { push(t, s, []byte("no module"), "ana", nil) }},
		{"job", "jobs/" + held, `.grid dd a`, func() { post("/jobs/"+held+"/pause", nil, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			do(t, ctx, chromedp.Navigate(s.URL+"/#/"+c.view), chromedp.WaitVisible(c.used), chromedp.WaitVisible("#live.live"))
			do(t, ctx, chromedp.Evaluate[chromedp.Void](`
				window.used = document.querySelector(`+"`"+c.used+"`"+`);
				used.focus();
				window.before = document.querySelector('main').innerText;
				0`))
			c.change()
			do(t, ctx, chromedp.Poll[chromedp.Void](`document.querySelector('main').innerText !== before`))
			assert.True(t, read(t, ctx, eval[bool](`document.activeElement === used && used.isConnected`)), "the focus is still on it")
		})
	}
	assert.Empty(t, complaints())
}
