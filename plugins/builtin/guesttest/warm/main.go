// Command warm compiles guests into the tests' cache of compiled code. Tests run
// it as a program of its own: under the race detector, compiling takes ten times as
// long.
package main

import (
	"context"
	"fmt"
	"os"

	"thresher/plugins/sandbox"
)

func main() {
	if err := compile(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

func compile(ctx context.Context, cacheDir, guest string) error {
	host, err := sandbox.New(ctx, sandbox.Config{CacheDir: cacheDir})
	if err != nil {
		return err
	}
	defer host.Close(ctx) // the process ends with it
	wasm, err := os.ReadFile(guest)
	if err != nil {
		return err
	}
	_, err = host.Load(ctx, wasm, false)
	return err
}
