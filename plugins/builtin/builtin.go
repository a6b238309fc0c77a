// Package builtin embeds the plugins that ship with Thresher: models, tabular,
// agentfarm and formats. They are ordinary plugins, built from the folders beside this file by
// `make build`, and run in the same sandbox as everyone's.
package builtin

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/klauspost/compress/zstd"
)

// Names lists the plugins that ship.
var Names = []string{"agentfarm", "formats", "models", "tabular"}

// The folder holds a placeholder beside the modules, so that the package compiles
// before they are built.
//
//go:embed all:dist
var dist embed.FS

// ErrNotBuilt is returned where the program was compiled before its plugins.
var ErrNotBuilt = errors.New("this program was compiled without its plugins: build it with `make build`")

// Modules returns the plugins' WebAssembly modules by name.
func Modules() (map[string][]byte, error) {
	modules := make(map[string][]byte, len(Names))
	for _, name := range Names {
		wasm, err := Module(name)
		if err != nil {
			return nil, err
		}
		modules[name] = wasm
	}
	return modules, nil
}

// Module returns the WebAssembly module of one of [Names]. It is embedded compressed
// and decompressed at each call.
func Module(name string) ([]byte, error) {
	packed, err := read(name, ".wasm.zst")
	if err != nil {
		return nil, err
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", name, err)
	}
	defer r.Close()
	wasm, err := r.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: decompress: %w", name, err)
	}
	return wasm, nil
}

// read returns an embedded file of a plugin.
func read(name, kind string) ([]byte, error) {
	content, err := dist.ReadFile(path.Join("dist", name+kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plugin %s: %w", name, ErrNotBuilt)
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", name, err)
	}
	return content, nil
}
