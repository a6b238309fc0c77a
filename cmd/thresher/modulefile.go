package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"thresher/core"
	"thresher/plugins/sandbox"
)

// manifestBeside is where the manifest of a program stands that carries none: in a file
// of the same name that ends in .json.
func manifestBeside(module string) string {
	return strings.TrimSuffix(module, filepath.Ext(module)) + ".json"
}

// openModule is readModule for a module that is sent as it is read.
func openModule(path string) (io.ReadSeekCloser, error) {
	if _, err := os.Stat(manifestBeside(path)); err == nil {
		wasm, err := readModule(path)
		return inMemory{bytes.NewReader(wasm)}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &core.Invalid{Field: "file", Message: err.Error()}
	}
	return f, nil
}

// inMemory has nothing to close.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// readModule reads a plugin's module, with the manifest that stands beside it.
func readModule(path string) ([]byte, error) {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, &core.Invalid{Field: "file", Message: err.Error()}
	}
	manifest, err := os.ReadFile(manifestBeside(path))
	switch {
	case errors.Is(err, fs.ErrNotExist) || manifestBeside(path) == path:
		return wasm, nil
	case err != nil:
		return nil, &core.Invalid{Field: "file", Message: err.Error()}
	}
	with, err := sandbox.WithManifest(wasm, manifest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestBeside(path), err)
	}
	return with, nil
}
