//go:build !wasip1

package sdk

import (
	"thresher/core/stats/kernel"
	"thresher/plugins/abi"
	"thresher/plugins/sdk/go/internal/host"
	"thresher/plugins/sdk/go/vector"
)

// columnVector reads a column: outside of the sandbox there is none who would.
func columnVector[T vector.Element](t *Table, column int32) vector.Vector[T] {
	validity := make([]byte, (t.Rows()+7)/8)
	t.host.ColumnRead(t.number, column, 0, t.input.Rows, abi.Validity, validity)
	return vector.WithNulls(readFixed[T](t, column), validity)
}

func columnTexts(t *Table, column int32) vector.Texts {
	validity := make([]byte, (t.Rows()+7)/8)
	t.host.ColumnRead(t.number, column, 0, t.input.Rows, abi.Validity, validity)
	offsets := make([]int32, t.Rows()+1)
	t.host.ColumnRead(t.number, column, 0, t.input.Rows, abi.Offsets, bytesOf(offsets))
	text := make([]byte, offsets[t.Rows()])
	t.host.ColumnRead(t.number, column, 0, t.input.Rows, abi.Values, text)
	return vector.TextPieces(kernel.Text{{Offsets: offsets, Bytes: text, Validity: validity}})
}

// Registered returns the plugin that was registered. It is there outside the
// sandbox only: see package plugintest.
func Registered() Plugin { return registered }

// Perform runs a routine to its end on a host that is not the sandbox. Package
// plugintest calls it.
func (r Routine) Perform(h host.Host, c abi.Call) error {
	call := newCall(h, c)
	if r.run != nil {
		result, err := r.run(call)
		if err != nil {
			return err
		}
		return call.finish(result)
	}
	stepper, err := r.start(call)
	if err != nil {
		return err
	}
	for {
		if done, err := call.step(stepper); done || err != nil {
			return err
		}
		call.flush() // the sandbox does so after some steps, never the same number
	}
}
