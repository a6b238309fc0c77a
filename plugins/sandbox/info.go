package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"thresher/core/jsonsize"
	"thresher/core/table"
	"thresher/plugins/abi"
)

// What a guest was called with, the JSON of an [abi.Call], can be tens of megabytes: 64
// inputs may have 4096 columns each. It is measured, held and paid before it is made,
// and made once.

// makeInfo encodes what encoding/json would make of an abi.Call, column by column.
func (k *call) makeInfo(ctx context.Context) []byte {
	size := k.infoSize(ctx)
	k.hold("the call info", size)
	w := &infoWriter{k: k, ctx: ctx, out: make([]byte, 0, size)}
	w.field(`{"params":`, encoded(k.Params))
	w.field(`,"seed":`, strconv.FormatUint(k.Seed, 10))
	w.inputs()
	if k.File != nil {
		w.field(`,"file":`, encoded(abi.File{Bytes: k.File.Bytes}))
	}
	w.field("}", "")
	return w.out
}

// infoSize is a bound of how long the info is.
func (k *call) infoSize(ctx context.Context) int {
	const rest = 256 // of the names and numbers of the whole, or of an input
	size := rest + jsonsize.Raw(k.Params)
	for i, name := range k.inputNames() {
		size += rest + jsonsize.String(name)
		for _, c := range k.inputs[i].Info().Columns {
			k.work(ctx, checked, len(c.Name))
			size += jsonsize.String(c.Name) + len(`{"name":,"type":"timestamp"},`)
		}
	}
	return size
}

// inputNames are in the order of the inputs' numbers.
func (k *call) inputNames() []string { return slices.Sorted(maps.Keys(k.Inputs)) }

type infoWriter struct {
	k   *call
	ctx context.Context
	out []byte
}

// field appends a value, which is not long.
func (w *infoWriter) field(name, value string) {
	w.k.work(w.ctx, made, len(name)+len(value))
	w.out = append(append(w.out, name...), value...)
}

func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(hostError{fmt.Errorf("encode call: %w", err)})
	}
	return string(text)
}

func (w *infoWriter) inputs() {
	if len(w.k.inputs) == 0 {
		w.field(`,"inputs":`, "null")
		return
	}
	separator := `,"inputs":[`
	for i, name := range w.k.inputNames() {
		f := w.k.inputs[i]
		w.field(separator+`{"name":`, encoded(name))
		w.field(`,"rows":`, strconv.FormatInt(f.Rows(), 10))
		w.field(`,"bytes":`, strconv.FormatInt(f.Size(), 10))
		w.field(`,"batches":`, strconv.Itoa(f.NumBatches()))
		w.columns(f)
		separator = ","
	}
	w.field("]", "")
}

func (w *infoWriter) columns(f *table.File) {
	separator := `,"columns":[`
	for _, c := range f.Info().Columns {
		w.field(separator+`{"name":`, encoded(c.Name))
		w.field(`,"type":"`, c.Type+`"}`)
		separator = ","
	}
	w.field("]}", "")
}
