package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/client"
)

// loggingJob is a job of a made up server. Each stream of its events tells of two texts
// that are added to its log; the job ends with the last.
type loggingJob struct {
	mu    sync.Mutex // guards all below
	texts []string   // to come
	log   string
}

func (j *loggingJob) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/logs"):
		http.ServeContent(w, r, "log.txt", time.Time{}, strings.NewReader(j.log))
	case strings.HasSuffix(r.URL.Path, "/events"):
		fmt.Fprintf(w, "event: job\ndata: %s\n\n", j)
		for range 2 {
			fmt.Fprintf(w, "event: log\ndata: {\"text\":%q}\n\n", j.texts[0])
			j.log, j.texts = j.log+j.texts[0], j.texts[1:]
		}
		if len(j.texts) == 0 {
			fmt.Fprintf(w, "event: job\ndata: %s\n\n", j)
		}
	default:
		fmt.Fprint(w, j)
	}
}

// String is the job as JSON.
func (j *loggingJob) String() string {
	if len(j.texts) == 0 {
		return `{"id":"x","phase":"completed"}`
	}
	return `{"id":"x","phase":"running"}`
}

// The log is printed whole and once, before the job's end is told, over streams that
// break.
func TestALogIsPrintedWholeAndOnce(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(&loggingJob{texts: []string{"a\n", "é\n", "no", " end"}})
	t.Cleanup(s.Close)
	var out bytes.Buffer
	_, err := followLog(t.Context(), &out, client.New(s.URL), "a/b", "x")
	require.NoError(t, err)
	shown, ended := strings.CutSuffix(out.String(), "a/b: completed\n")
	assert.True(t, ended, out.String())
	assert.Equal(t, "a\né\nno end\n", strings.ReplaceAll(shown, "a/b: running\n", ""))

	var whole bytes.Buffer
	log := newTail(client.New(s.URL), "x", &whole)
	require.NoError(t, log.more(t.Context()))
	require.NoError(t, log.more(t.Context()))
	assert.Equal(t, "a\né\nno end", whole.String(), "nothing is printed twice")
}
