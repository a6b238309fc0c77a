package server_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/servertest"
)

// chromium is the browser of all tests: to start it takes more than most of them. It starts
// with the first.
var chromium = sync.OnceValues(func() (browser context.Context, err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return nil, err
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(dir))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), opts...)
	browser, end := chromedp.NewContext(allocator)
	endChromium = func() { end(); endAllocator(); _ = os.RemoveAll(dir) }
	return browser, chromedp.Do(browser, chromedp.Navigate("about:blank"))
})

var endChromium = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	endChromium()
	os.Exit(code)
}

// browser opens a page in headless Chromium, in a profile of its own, and collects what its
// console says.
func browser(t *testing.T) (ctx context.Context, complaints func() []string) {
	t.Helper()
	all, err := chromium()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED, THE PAGE IS NOT TESTED: there is no Chromium. Debian: apt-get install chromium")
	}
	require.NoError(t, err, "Chromium: .ci/run installs it")
	ctx, cancelTime := context.WithTimeout(all, 5*time.Minute)
	t.Cleanup(cancelTime)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	do(t, ctx, chromedp.Navigate("about:blank"))
	// Each page is the one that has the keyboard.
	_, err = chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	require.NoError(t, err)
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		if _, crashed := event.(*inspector.EventTargetCrashed); crashed {
			t.Error("the process of the page crashed")
			cancel() // what waits for the page
		}
	}))
	var mu sync.Mutex
	var said []string
	var reader sync.WaitGroup
	console, endConsole := context.WithCancel(ctx)
	reader.Go(func() {
		for m, err := range chromedp.Console(console) {
			if err != nil {
				return
			}
			mu.Lock()
			if m.Type == "error" || m.Type == chromedp.ConsoleException {
				said = append(said, m.Text+" "+m.URL)
			}
			mu.Unlock()
		}
	})
	t.Cleanup(func() { endConsole(); reader.Wait() })
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return said
	}
}

type step = chromedp.Action[chromedp.Void]

func do(t *testing.T, ctx context.Context, steps ...step) {
	t.Helper()
	for _, s := range steps {
		err := chromedp.Do(ctx, s)
		for replaced(err) {
			err = chromedp.Do(ctx, s)
		}
		require.NoError(t, err)
	}
}

// replaced reports whether the page replaced an element after a step had found it and
// before the step did anything with it, as one view does that follows another.
func replaced(err error) bool {
	var answer *cdproto.Error
	return errors.As(err, &answer) && answer.Message == "Could not find node with given id"
}

func read[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	require.NoError(t, err)
	return v
}

// shot saves a screenshot in docs, where THRESHER_SCREENSHOTS asks for it.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	if os.Getenv("THRESHER_SCREENSHOTS") == "" {
		return
	}
	png := read(t, ctx, chromedp.FullScreenshot(100))
	path := filepath.Join("..", "docs", "screenshots", name+".png")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, png, 0o644))
}

func phase(p string) step { return chromedp.WaitVisible("#phase." + p) }

func TestThePage(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, core.Limits{}, "thresher/plugins/hostile/guest")
	s.Sample(t, "penguins", "penguins.json")
	ctx, complaints := browser(t)

	t.Run("submit_watch_result_chart", func(t *testing.T) {
		do(t, ctx, chromedp.EmulateViewport(1280, 900),
			chromedp.Navigate(s.URL+"/#/run/models/sir"),
			chromedp.WaitVisible("#f-params-population"))
		shot(t, ctx, "form")
		do(t, ctx, chromedp.SetValue("#f-params-population", "5000"),
			chromedp.Click("#submit"),
			phase("completed"),
			chromedp.WaitReady(".chart .marks"))
		assert.Contains(t, read(t, ctx, chromedp.Text("#result")), "peak_infected")
		assert.Contains(t, read(t, ctx, chromedp.Text("table")), "susceptible")
		shot(t, ctx, "job")
	})
	t.Run("what_is_wrong_is_said_at_its_field", func(t *testing.T) {
		do(t, ctx, chromedp.Navigate(s.URL+"/#/run/agentfarm/population"),
			chromedp.WaitVisible("#f-inputs-steps"),
			chromedp.SetValue("#f-inputs-steps", "nothing"),
			chromedp.Click("#submit"),
			chromedp.WaitVisible("#f-inputs-steps-wrong:not(:empty)"))
		assert.Contains(t, read(t, ctx, chromedp.Text("#f-inputs-steps-wrong")), `no dataset "nothing"`)
	})
	t.Run("stop_a_running_job", func(t *testing.T) {
		j, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/loop"}, 0)
		require.NoError(t, err)
		do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs/"+j.ID),
			phase("running"),
			chromedp.Click("#stop"),
			phase("stopped"))
	})
	t.Run("lists_on_a_phone_and_in_the_dark", func(t *testing.T) {
		do(t, ctx, chromedp.Navigate(s.URL+"/#/jobs"), chromedp.WaitVisible("td .phase"))
		shot(t, ctx, "jobs")
		do(t, ctx, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile),
			chromedp.Navigate(s.URL+"/#/datasets/penguins"), chromedp.WaitVisible("td.num"))
		assert.LessOrEqual(t, read(t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - window.innerWidth`)), 0,
			"nothing sticks out of the screen")
		shot(t, ctx, "phone")
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		require.NoError(t, err)
		do(t, ctx, chromedp.EmulateViewport(1280, 900),
			chromedp.Navigate(s.URL+"/#/jobs"), chromedp.WaitVisible("td .phase"))
		shot(t, ctx, "dark")
		do(t, ctx, chromedp.Navigate(s.URL+"/docs"), chromedp.WaitVisible("details#submit-job"))
	})
	var unexpected []string
	for _, text := range complaints() {
		if !strings.Contains(text, "422") { // the wrong submit above
			unexpected = append(unexpected, text)
		}
	}
	assert.Empty(t, unexpected, "the console is quiet")
}
