// Command pack compresses a built plugin for embedding: pack MODULE.wasm MODULE.wasm.zst.
// `make plugins` runs it.
package main

import (
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pack MODULE.wasm MODULE.wasm.zst")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(from, to string) error {
	wasm, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	// One goroutine: the same module always gives the same bytes.
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return os.WriteFile(to, w.EncodeAll(wasm, nil), 0o644)
}
