package hostile_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"thresher/plugins/hostile"
	"thresher/plugins/sandbox"
)

// FuzzLoad feeds mutated modules through all that loads one: vet, rewrite, compile,
// image, describe. Each is loaded or refused by name; neither takes the process along.
func FuzzLoad(f *testing.F) {
	for _, a := range hostile.Attacks() {
		if len(a.Wasm) < 16<<10 {
			f.Add(a.Wasm)
		}
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		ctx := context.Background()
		h, err := sandbox.New(ctx, sandbox.Config{Log: log, DescribeTime: 10 * time.Millisecond, Clones: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(ctx)
		_, err = h.Load(ctx, wasm, false)
		var refused *sandbox.Refusal
		if err != nil && !(errors.As(err, &refused) && refused.Code != "") {
			t.Fatal("neither loaded nor refused:", err)
		}
	})
}
