package sandbox

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/work"
)

// mute is the Host of a guest that is only asked to describe itself.
type mute struct{}

func (mute) Gate(ctx context.Context) error { return context.Cause(ctx) }
func (mute) Progress(float64, string)       {}
func (mute) Log([]byte)                     {}

func (mute) Append(string, arrow.RecordBatch) error {
	return violation("a table while describing itself")
}

func (mute) Artifact(context.Context, string, string, work.Content) error {
	return violation("an artifact while describing itself")
}

var _ work.Host = mute{}
