package server_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/server/linear"
	"thresher/server/servertest"
)

// Many clients on the same jobs at once: there is one order of what they asked,
// in which every answer is right.
func TestAnswersAreLinearisable(t *testing.T) {
	const slots, together = 3, 16
	each := 650 // requests of a client, but for those that find no job to ask about
	if testing.Short() {
		each = 40
	}
	s := servertest.Start(t, core.Limits{Slots: slots}, hostile)
	h := linear.New(slots)
	defer h.Close()
	var clients sync.WaitGroup
	for n := range together {
		clients.Go(func() { assert.True(t, h.Client(t.Context(), s.URL, n, each)) })
	}
	clients.Wait()
	require.GreaterOrEqual(t, h.Asked(), each*together*9/10)
	assert.NoError(t, h.Check())
}
