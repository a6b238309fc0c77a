package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"thresher/plugins/builtin"
	"thresher/plugins/registry"
)

// shipped finds the modules that everyone has: those that ship with the program, and
// those of the folder. A file of the folder that cannot be read is one of them; its Err
// says why.
func (p pluginSetup) shipped() ([]registry.Shipped, error) {
	own, err := builtins()
	if errors.Is(err, builtin.ErrNotBuilt) && p.folder != "" {
		err = nil // a program for its folder only
	}
	if err != nil || p.folder == "" {
		return own, err
	}
	paths, err := filepath.Glob(filepath.Join(p.folder, "*.wasm"))
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	found := make([]registry.Shipped, len(paths))
	var reading errgroup.Group
	reading.SetLimit(runtime.NumCPU())
	for i, path := range paths {
		reading.Go(func() error { found[i] = ofFolder(path, p.maxBytes()); return nil })
	}
	_ = reading.Wait() // each says what is wrong with it
	return append(own, found...), nil
}

// builtins are the modules that ship with the program. They are decompressed to know
// their digest, and again when their bytes are needed.
func builtins() ([]registry.Shipped, error) {
	own := make([]registry.Shipped, len(builtin.Names))
	var reading errgroup.Group
	for i, name := range builtin.Names {
		reading.Go(func() error {
			wasm, err := builtin.Module(name)
			if err != nil {
				return err
			}
			own[i] = registry.Shipped{
				Origin: registry.Builtin, Place: name, Digest: digestOf(wasm),
				Read: func() ([]byte, error) { return builtin.Module(name) },
			}
			switch manifest, err := builtin.Manifest(name); {
			case err == nil:
				own[i].Manifest = &manifest
			case !errors.Is(err, builtin.ErrNotBuilt): // without one the module is asked
				return err
			}
			return nil
		})
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	return own, nil
}

// ofFolder is a file of the folder of plugins.
func ofFolder(path string, most int64) registry.Shipped {
	s := registry.Shipped{Origin: registry.Folder, Place: path, Read: func() ([]byte, error) { return readModule(path) }}
	if s.Err = checkFile(path, most); s.Err != nil {
		return s
	}
	wasm, err := s.Read()
	if s.Err = err; err == nil {
		s.Digest = digestOf(wasm)
	}
	return s
}

// checkFile refuses what would not come to an end, or would not fit into memory.
func checkFile(path string, most int64) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is a %s: want a file", path, kindOf(info.Mode()))
	case info.Size() > most:
		return fmt.Errorf("%s has %d bytes: the limit is %d; strip it, or raise module_bytes with --vet", path, info.Size(), most)
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	}
	return "special file"
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// maxBytes is the most bytes of a module.
func (p pluginSetup) maxBytes() int64 {
	if p.limits.ModuleBytes < 0 {
		return anyModule
	}
	return int64(cmp.Or(p.limits.ModuleBytes, 32<<20))
}
