// Package quiet provides a host for guests that are only measured: it drops what they
// hand over.
package quiet

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"thresher/core/work"
)

// Host never holds its guest. Its zero value can be used, by any number of guests.
type Host struct{}

var _ work.Host = Host{}

// Held implements [work.Host].
func (Host) Held() bool { return false }

// Gate implements [work.Host].
func (Host) Gate(ctx context.Context) error { return context.Cause(ctx) }

// Progress implements [work.Host].
func (Host) Progress(float64, string) {}

// Log implements [work.Host].
func (Host) Log([]byte) {}

// Append implements [work.Host].
func (Host) Append(string, arrow.RecordBatch) error { return nil }

// Artifact implements [work.Host].
func (Host) Artifact(context.Context, string, string, work.Content) error { return nil }
