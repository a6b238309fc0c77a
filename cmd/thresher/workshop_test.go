package main

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core"
	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// What was built before is closed when no job runs it, and no sooner.
func TestAPluginStaysUntilItsJobsAreDone(t *testing.T) {
	loaded := func(name string) *loadedPlugin {
		host, err := sandbox.New(t.Context(), sandbox.Config{Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return &loadedPlugin{host: host, plugin: core.Plugin{Manifest: routine.Manifest{Name: name}}}
	}
	first, second := loaded("first"), loaded("second")
	synctest.Test(t, func(t *testing.T) {
		l := newLatest()
		_, err := l.Run(t.Context(), work.Call{})
		require.ErrorContains(t, err, "nothing was built")
		require.NoError(t, l.put(first))
		first.users.Add(1) // a job runs
		put := make(chan error, 1)
		go func() { put <- l.put(second) }()
		synctest.Wait()
		assert.Equal(t, "second", l.List()[0].Name, "the next job has it")
		assert.Empty(t, put)
		first.users.Done()
		require.NoError(t, <-put)
		require.NoError(t, l.put(nil))
		assert.Empty(t, l.List())
	})
}
