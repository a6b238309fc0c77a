package author

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"thresher"
)

// templates are the files of new plugins. In them NAME stands for the name, and what
// ends in .txt does so only to be no part of this module, or to ignore none of its files.
//
//go:embed scaffold
var templates embed.FS

// scaffold writes the files of a new plugin, or none.
func scaffold(language, dir, name string) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir)) // it was not there before
		}
	}()
	if err := write(templates, "scaffold/"+language, dir, func(text string) string {
		return strings.NewReplacer("NAME", name, "GOVERSION", goVersion()).Replace(text)
	}); err != nil {
		return err
	}
	as := func(text string) string { return text }
	sdk := filepath.Join(dir, "thresher")
	switch language {
	case "wasi":
		return nil
	case "c":
		return write(thresher.CSDK, "plugins/sdk/c", dir, as)
	case "rust":
		return write(thresher.RustSDK, "plugins/sdk/rust", sdk, as)
	case "as":
		return write(thresher.ASSDK, "plugins/sdk/assemblyscript", sdk, as)
	}
	if err := write(thresher.SDK, ".", sdk, as); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(sdk, "go.mod"), fmt.Appendf(nil, "module thresher\n\ngo %s\n", goVersion()), 0o644)
}

// goVersion is that of the language this program is written in, without the patch.
func goVersion() string {
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	if len(parts) < 2 {
		return "1.25"
	}
	return parts[0] + "." + parts[1]
}

// write copies files, but for tests.
func write(from fs.FS, root, dir string, change func(string) string) error {
	return fs.WalkDir(from, root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(at, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(from, at)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(at, root), "/"), ".txt")
		if name == "gitignore" {
			name = ".gitignore"
		}
		target := filepath.Join(dir, filepath.FromSlash(path.Clean(name)))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(change(string(text))), 0o644)
	})
}
