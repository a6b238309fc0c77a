package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/job"
	"thresher/server"
	"thresher/server/problem"
	"thresher/server/servertest"
)

const hostile = "thresher/plugins/hostile/guest"

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

func request(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func TestWrongRequestsGetAProblemThatSaysWhat(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, hostile)
	done, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/nothing"}, time.Minute)
	require.NoError(t, err)
	api := "/api/v1"
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code, says         string
		header             []string
	}{
		"no_such_route":     {"GET", "/nothing", "", 404, "not_found", "/nothing", nil},
		"no_such_job":       {"GET", api + "/jobs/X", "", 404, "not_found", "job X", nil},
		"not_json":          {"POST", api + "/jobs", "{", 400, "bad_request", "", nil},
		"unknown_field":     {"POST", api + "/jobs", `{"routine":"hostile/nothing","colour":1}`, 422, "invalid", "colour", nil},
		"wrong_type":        {"POST", api + "/jobs", `{"routine":7}`, 422, "invalid", "routine", nil},
		"unknown_routine":   {"POST", api + "/jobs", `{"routine":"a/b"}`, 422, "invalid", "no routine a/b", nil},
		"bad_limit":         {"GET", api + "/jobs?limit=many", "", 422, "invalid", `many\": want an integer`, nil},
		"bad_time":          {"GET", api + "/jobs?from=nonsense", "", 422, "invalid", `nonsense\": want a time as RFC 3339 writes it`, nil},
		"bad_label":         {"GET", api + "/jobs?label=x", "", 422, "invalid", `x\": want KEY=VALUE`, nil},
		"bad_phase":         {"GET", api + "/jobs?phase=asleep", "", 422, "invalid", "pending", nil},
		"bad_wait":          {"GET", api + "/jobs/" + done.ID + "?wait=-3s", "", 422, "invalid", "30s", nil},
		"unknown_query":     {"GET", api + "/jobs?color=red", "", 422, "invalid", "color", nil},
		"illegal_move":      {"POST", api + "/jobs/" + done.ID + "/stop", "", 409, "illegal_move", "completed", nil},
		"no_dataset_name":   {"POST", api + "/datasets", "a\n1\n", 422, "invalid", "name", []string{"Content-Type", "text/csv"}},
		"no_format":         {"POST", api + "/datasets?name=x", "a\n1\n", 415, "media_type", "format=", []string{"Content-Type", "application/pdf"}},
		"broken_table":      {"POST", api + "/datasets?name=x&format=csv", "a,b\n1\n", 422, "bad_table", "line 2", nil},
		"wide_table":        {"POST", api + "/datasets?name=x&format=csv", wide(1100, 1005), 422, "table_too_wide", "shorten them to 474 bytes", nil},
		"long_filter":       {"POST", api + "/bulk", `{"action":"stop","filter":{"plugin":"` + strings.Repeat("<", 900_000) + `"}}`, 422, "invalid", "filter.plugin", nil},
		"long_label_filter": {"GET", api + "/jobs?label=a=" + strings.Repeat("x", 64), "", 422, "invalid", "up to 63 bytes", nil},
		"bad_limits":        {"PATCH", api + "/limits", `{"slots":0}`, 422, "invalid", "slots", nil},
		"no_such_tenant":    {"PATCH", api + "/limits", `{"tenant_slots":{"No Such!":1}}`, 422, "invalid", "tenant_slots", nil},
		"no_such_weight":    {"PATCH", api + "/limits", `{"tenant_weights":{"":1}}`, 422, "invalid", "tenant_weights", nil},
		"no_such_lock":      {"PATCH", api + "/limits", `{"locks":{"":1}}`, 422, "invalid", "locks", nil},
		"null_params":       {"POST", api + "/batches", `{"template":{"routine":"hostile/nothing","params":null},"grid":{"no":[1]}}`, 422, "invalid_params", "no", nil},
		"foreign_host":      {"GET", api + "/jobs", "", 403, "host_refused", "evil.example", []string{"Host", "evil.example"}},
		"forwarded_host":    {"GET", api + "/jobs", "", 403, "host_refused", "evil.example", []string{"Host", "evil.example", "X-Forwarded-Host", "localhost"}},
		"wrong_method":      {"PUT", api + "/jobs", "", 405, "method", "PUT /api/v1/jobs: want ", nil},
		"last_0_bytes":      {"GET", api + "/jobs/" + done.ID + "/result", "", 416, "bad_range", "", []string{"Range", "bytes=-0"}},
		"foreign_origin":    {"POST", api + "/jobs", `{}`, 403, "cross_origin", "evil.example", []string{"Origin", "http://evil.example"}},
		"bad_last_event_id": {"GET", api + "/events", "", 422, "invalid", "Last-Event-ID", []string{"Last-Event-ID", "x"}},
		"range_behind_end":  {"GET", api + "/jobs/" + done.ID + "/result", "", 416, "bad_range", "bytes", []string{"Range", "bytes=1000-"}},
		"bad_row":           {"GET", api + "/jobs/" + done.ID + "/tables/x?from=-1", "", 404, "not_found", "table", nil},
	} {
		t.Run(name, func(t *testing.T) {
			header := append([]string{"Content-Type", "application/json"}, c.header...)
			got := request(t, c.method, s.URL+c.path, c.body, header...)
			assert.Equal(t, c.status, got.status, got.body)
			assert.Equal(t, problem.MediaType, got.header.Get("Content-Type"))
			var p problem.Problem
			require.NoError(t, json.Unmarshal([]byte(got.body), &p))
			assert.Equal(t, c.code, p.Code)
			assert.Contains(t, got.body, c.says)
			assert.NotEmpty(t, p.Instance)
			assert.Equal(t, got.header.Get("X-Request-ID"), p.Instance, "the request's id, as in the log")
		})
	}
}

// wide is a table of one row whose columns have names of that many bytes.
func wide(columns, bytes int) string {
	names := make([]string, columns)
	for i := range names {
		names[i] = fmt.Sprintf("c%04d%s", i, strings.Repeat("x", bytes-5))
	}
	return strings.Join(names, ",") + "\n1" + strings.Repeat(",1", columns-1) + "\n"
}

// A limit that is not named takes its default.
func TestOneLimitOfAJobCanBeNamedAlone(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, hostile)
	got := request(t, "POST", s.URL+"/api/v1/jobs?wait=30s", `{"routine":"hostile/loop","limits":{"wall_seconds":0.1}}`, "Content-Type", "application/json")
	require.Equal(t, 200, got.status, got.body)
	var j core.Job
	require.NoError(t, json.Unmarshal([]byte(got.body), &j))
	assert.Equal(t, "wall_limit", j.Outcome.Error.Code)
	assert.Equal(t, core.DefaultLimits().Job.MemoryBytes, j.Spec.Limits.MemoryBytes)
}

func TestAFullQueueSaysWhichAndWhenToComeBack(t *testing.T) {
	one := map[string]int{"hostile": 1, "*": 1}
	for limit, limits := range map[string]core.Limits{
		"queue_cap":                {Slots: 1, QueueCap: 1},
		"tenant_queue_cap.default": {Slots: 1, TenantQueueCap: one},
		"plugin_queue_cap.hostile": {Slots: 1, PluginQueueCap: one},
	} {
		s := servertest.Start(t, limits, hostile)
		var got answer
		for n := 0; n < 3 && got.status != 429; n++ { // one runs, one waits
			got = request(t, "POST", s.URL+"/api/v1/jobs", `{"routine":"hostile/loop","cache":"off"}`, "Content-Type", "application/json")
		}
		assert.Equal(t, 429, got.status, got.body)
		var p problem.Problem
		require.NoError(t, json.Unmarshal([]byte(got.body), &p))
		assert.Equal(t, "queue_full", p.Code)
		assert.Equal(t, limit, p.Limit)
		assert.Contains(t, p.Detail, limit)
		assert.Regexp(t, `^[1-9][0-9]*$`, got.header.Get("Retry-After"))
	}
}

// The same key and body are the same batch; another body is a conflict.
func TestABatchIsSubmittedOnceUnderAKey(t *testing.T) {
	s := servertest.Start(t, core.Limits{Slots: 1}, hostile)
	submit := func(n int) answer {
		return request(t, "POST", s.URL+"/api/v1/batches", fmt.Sprintf(`{"template":{"routine":"hostile/loop"},"grid":{"seed":[%d]}}`, n),
			"Content-Type", "application/json", "Idempotency-Key", "mine")
	}
	first, again, other := submit(1), submit(1), submit(2)
	require.Equal(t, 202, first.status, first.body)
	require.Equal(t, 202, again.status, again.body)
	assert.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
	assert.Equal(t, 409, other.status)
	assert.Contains(t, other.body, `"code":"key_reused"`)
}

func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/errors.md")
	require.NoError(t, err)
	for _, code := range problem.Codes() {
		assert.Contains(t, string(doc), "| `"+code+"` |", code)
	}
}

// A real curl, sending far too much, must be able to show the refusal.
func TestCurlShowsThatABodyIsTooLarge(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED: there is no curl. Debian: apt-get install curl")
	}
	s := servertest.Start(t, core.Limits{}, hostile)
	for path, size := range map[string]int{"/api/v1/jobs": 20 << 20, "/api/v1/datasets?name=x&format=csv": 65 << 20} {
		curl := exec.Command("curl", "-sS", "-m", "30", "-w", "%{http_code}", "-H", "Content-Type: application/json", "--data-binary", "@-", s.URL+path)
		curl.Stdin = strings.NewReader(strings.Repeat(" ", size))
		out, err := curl.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Contains(t, string(out), `"code":"too_large"`)
		assert.Contains(t, string(out), "413")
	}
}

// What a handler leaves of a body must not be taken for the next request, and a
// client that still sends must be able to read why it was refused.
func TestAnUnreadBodyDoesNotDisturbTheConnection(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	large := strings.Repeat("1\n", 8<<20)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/api/v1/jobs", `{"routine":"none/none"}`, 422},
		{"POST", "/api/v1/jobs/none/stop", `{}`, 404},
		{"GET", "/healthz", "a body", 200},
		{"DELETE", "/api/v1/jobs/none", "GET / HTTP/1.1\r\n\r\n", 404},
		{"POST", "/api/v1/datasets?name=x&format=csv", "a,b\n" + large, 422},
		{"POST", "/api/v1/datasets?format=csv", large, 422},
		{"POST", "/nowhere", large, 404},
		{"GET", "/healthz", "", 200},
	} {
		_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", c.method, c.path, len(c.body), c.body)
		require.NoError(t, err)
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err, c.path)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		assert.Equal(t, c.status, resp.StatusCode, c.path)
		assert.False(t, resp.Close, c.path)
	}
	// With chunks, through a client that keeps its connections.
	for range 3 {
		_, err := s.Client.PutDataset(t.Context(), "x", "csv", strings.NewReader("a,b\n"+large))
		assert.ErrorContains(t, err, "bad_table")
		_, err = s.Client.PutDataset(t.Context(), "y", "csv", strings.NewReader("a\n1\n"))
		assert.NoError(t, err)
	}
}

// A client that breaks off has not sent a smaller table.
func TestACutOffUploadIsNoDataset(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	rows := strings.Repeat("1,2\n", 1000)
	for name, head := range map[string]string{
		"sized":   fmt.Sprintf("Content-Length: %d\r\n\r\na,b\n%s", 1_000_000, rows),
		"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\na,b\n%s\r\n", len(rows)+4, rows),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "POST /api/v1/datasets?name=%s&format=csv HTTP/1.1\r\nHost: localhost\r\n%s", name, head)
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, 400, resp.StatusCode)
			assert.Equal(t, 404, request(t, "GET", s.URL+"/api/v1/datasets/"+name, "").status)
		})
	}
}

func TestRangesAndHeads(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, hostile)
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/nothing"}, time.Minute)
	require.NoError(t, err)
	result := s.URL + "/api/v1/jobs/" + j.ID + "/result"
	got := request(t, "GET", result, "", "Range", "bytes=1-9223372036854775807")
	assert.Equal(t, 206, got.status)
	assert.Equal(t, "}", got.body)
	for _, path := range []string{"/api/v1/stats", "/api/v1/events", "/api/v1/jobs", "/api/v1/jobs/" + j.ID, "/"} {
		got := request(t, "HEAD", s.URL+path, "")
		assert.Equal(t, 200, got.status, path)
		assert.Empty(t, got.body)
	}
	assert.Equal(t, 404, request(t, "HEAD", s.URL+"/api/v1/jobs/none", "").status)
	assert.Contains(t, request(t, "DELETE", s.URL+"/api/v1/stats", "").header.Get("Allow"), "GET")
}

func TestAWholeNumberIsAnIntegerHoweverItIsWritten(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, "thresher/plugins/builtin/models")
	for _, population := range []string{"100.0", "1e2"} {
		j, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir", Params: json.RawMessage(`{"steps":2,"population":` + population + `}`)}, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, job.Completed, j.Phase, j.Outcome)
	}
}

func TestTablesComeInThreeForms(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "weather", "seattle-weather.csv")
	url := s.URL + "/api/v1/datasets/weather/tables/data"
	page := request(t, "GET", url+"?from=1&to=3", "")
	var got struct {
		Rows int              `json:"rows"`
		Data []map[string]any `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(page.body), &got), page.body)
	assert.Equal(t, 1461, got.Rows)
	require.Len(t, got.Data, 2)
	assert.Equal(t, "2012-01-02", got.Data[0]["date"])
	csv := request(t, "GET", url+"?to=1", "", "Accept", "text/csv")
	assert.Equal(t, "date,precipitation,temp_max,temp_min,wind,weather\n2012-01-01,0,12.8,5,4.7,drizzle\n",
		strings.ReplaceAll(strings.ReplaceAll(csv.body, "0.0,", "0,"), "5.0,", "5,"))
	arrow := request(t, "GET", url, "", "Accept", "application/vnd.apache.arrow.stream")
	again, err := s.Client.PutDataset(t.Context(), "again", "arrow", strings.NewReader(arrow.body))
	require.NoError(t, err)
	assert.EqualValues(t, 1461, again.Tables[0].Rows)
	assert.Equal(t, 406, request(t, "GET", url, "", "Accept", "image/png").status)
}

func TestArtifactsCannotRunAsOurPage(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	s.Sample(t, "weather", "seattle-weather.csv")
	j, err := s.Client.Submit(t.Context(), core.Request{Routine: "tabular/describe", Inputs: map[string]string{"data": "weather"}}, time.Minute)
	require.NoError(t, err)
	url := s.URL + "/api/v1/jobs/" + j.ID + "/artifacts/column-01.vl.json"
	got := request(t, "GET", url, "")
	assert.Equal(t, 200, got.status)
	assert.Contains(t, got.header.Get("Content-Disposition"), "attachment")
	assert.Equal(t, "default-src 'none'; sandbox", got.header.Get("Content-Security-Policy"))
	assert.Equal(t, 304, request(t, "GET", url, "", "If-None-Match", got.header.Get("ETag")).status)
	part := request(t, "GET", url, "", "Range", "bytes=0-9")
	assert.Equal(t, 206, part.status)
	assert.Equal(t, got.body[:10], part.body)
}

// stream reads events from a connection of its own.
func stream(t *testing.T, url string, after string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return bufio.NewReader(resp.Body)
}

var idLine = regexp.MustCompile(`^id: (\d+)\n$`)

// nextID reads on to the next event that has an id.
func nextID(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		if m := idLine.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
}

func TestComingBackToAStreamMissesNothing(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, hostile)
	events := stream(t, s.URL+"/api/v1/events", "")
	for range 2 { // a quick job has two events: its submit and its end
		_, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/nothing", Cache: "off"}, time.Minute)
		require.NoError(t, err)
	}
	first, second, third := nextID(t, events), nextID(t, events), nextID(t, events)
	again := stream(t, s.URL+"/api/v1/events", first)
	assert.Equal(t, second, nextID(t, again))
	assert.Equal(t, third, nextID(t, again))
}

func TestASubscriberThatNeverReadsHarmsNobody(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, hostile)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for range 30 {
		j, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/nothing", Cache: "off"}, time.Minute)
		require.NoError(t, err)
		require.Equal(t, job.Completed, j.Phase)
	}
}

func TestFloodsAndBombsEndWithTheirAnswerAndOthersFinish(t *testing.T) {
	s := servertest.Start(t, core.Limits{Slots: 4}, hostile)
	ids := map[string]string{}
	for _, name := range []string{"print", "loop", "allocate", "rows"} {
		j, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/" + name, Limits: &job.Limits{
			MemoryBytes: 64 << 20, WallSeconds: 3, OutputBytes: 8 << 20, LogBytes: 64 << 10,
		}}, 0)
		require.NoError(t, err)
		ids[name] = j.ID
	}
	other, err := s.Client.Submit(t.Context(), core.Request{Routine: "hostile/nothing"}, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, job.Completed, other.Phase)
	for name, code := range map[string]string{"print": "wall_limit", "loop": "wall_limit", "allocate": "memory_limit", "rows": "output_limit"} {
		j, err := s.Client.Watch(t.Context(), ids[name], func(core.Job) {})
		require.NoError(t, err)
		require.Equal(t, job.Failed, j.Phase, name)
		assert.Equal(t, code, j.Outcome.Error.Code, name)
	}
	j, err := s.Client.Job(t.Context(), ids["print"])
	require.NoError(t, err)
	assert.EqualValues(t, 64<<10, j.Outcome.Log.Bytes)
	assert.Positive(t, j.Outcome.Log.Dropped)
}

// The original report's load: many readers of the list while jobs come, run, are
// stopped and deleted. No request fails, no two jobs share an id.
func TestTheOriginalReportsLoad(t *testing.T) {
	s := servertest.Start(t, core.Limits{}, hostile)
	seen := sync.Map{}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for n := range 10 {
				j, err := s.Client.Submit(t.Context(), core.Request{Routine: "models/sir", Params: json.RawMessage(`{"population":50,"steps":5}`)}, 0)
				if !assert.NoError(t, err) {
					return
				}
				_, twice := seen.LoadOrStore(j.ID, true)
				assert.False(t, twice, "two submits, one id")
				if n%2 == 0 {
					_, _ = s.Client.Ask(t.Context(), j.ID, "stop") // it may have ended
				}
				j, err = s.Client.Watch(t.Context(), j.ID, func(core.Job) {})
				assert.NoError(t, err)
				if n%3 == 0 {
					assert.NoError(t, s.Client.Delete(t.Context(), j.ID))
				}
			}
		})
	}
	for range 20 {
		clients.Go(func() {
			for range 50 {
				resp, err := http.Get(s.URL + "/api/simulations")
				if !assert.NoError(t, err) {
					return
				}
				var list struct {
					Status string
					Data   []struct {
						ID string `json:"sim_id"`
					}
				}
				assert.NoError(t, json.NewDecoder(resp.Body).Decode(&list))
				assert.Equal(t, "success", list.Status)
				resp.Body.Close()
			}
		})
	}
	if ab, err := exec.LookPath("ab"); err == nil {
		out, err := exec.Command(ab, "-q", "-l", "-n", "1000", "-c", "50", s.URL+"/api/simulations").CombinedOutput()
		assert.NoError(t, err, string(out))
		assert.Regexp(t, `Failed requests: +0\n`, string(out))
	}
	clients.Wait()
	got := request(t, "DELETE", s.URL+"/api/simulations", "")
	assert.Equal(t, 405, got.status)
	assert.JSONEq(t, `{"detail":"Method Not Allowed"}`, got.body)
}

func TestOnlyThisMachineCanBeListenedTo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "localhost:5000", "[::1]:5000", "127.8.9.1:80"} {
		assert.NoError(t, server.CheckListen(address), address)
	}
	for _, address := range []string{"", ":5000", "0.0.0.0:5000", "[::]:5000", "192.168.1.2:5000", "example.com:80", "127.0.0.1"} {
		assert.Error(t, server.CheckListen(address), "%q", address)
	}
}

func TestTheDescriptionCoversEveryRoute(t *testing.T) {
	s := servertest.Start(t, core.Limits{})
	got := request(t, "GET", s.URL+"/openapi.json", "")
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &doc))
	assert.True(t, strings.HasPrefix(doc.OpenAPI, "3.1"))
	for _, path := range []string{"/jobs", "/jobs/{id}/events", "/jobs/{id}/tables/{name}", "/datasets", "/limits", "/events", "/audit"} {
		assert.Contains(t, doc.Paths, "/api/v1"+path)
	}
	for _, path := range []string{"/healthz", "/readyz", "/docs", "/", "/ui/main.js"} {
		assert.Equal(t, 200, request(t, "GET", s.URL+path, "").status, path)
	}
	metrics := request(t, "GET", s.URL+"/metrics", "").body
	assert.Contains(t, metrics, "thresher_inconsistencies_total 0")
	assert.Contains(t, metrics, "thresher_lock_wait_seconds")
}
