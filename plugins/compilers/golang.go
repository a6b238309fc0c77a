package compilers

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
)

// Go builds the main package of a folder. It asks nobody for anything: what it needs
// must be in the folder or in Go's caches.
func Go(ctx context.Context, dir, out string, form Form) error {
	path, err := findGo()
	if err != nil {
		return err
	}
	args := []string{path, "build", "-trimpath", "-o", out}
	if form == Plugin {
		args = append(args, "-buildmode=c-shared")
	}
	build := command{dir, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off"}, append(args, ".")}
	return withAdvice(build.run(ctx), adviceOfGo)
}

var lookedFor = regexp.MustCompile(`(?:providing package|required module provides package) ([^\s:;]+)`)

// adviceOfGo says how a library of others is added, where the build misses one: that Go
// may ask nobody is our doing.
func adviceOfGo(said string) string {
	if !strings.Contains(said, "GOPROXY=off") && !strings.Contains(said, "no required module") {
		return ""
	}
	if found := lookedFor.FindStringSubmatch(said); found != nil {
		return "A build asks no network. Add the library once, in the plugin's folder: go get " + found[1]
	}
	return "A build asks no network. Fetch what go.mod names once, in the plugin's folder: go mod download"
}

func findGo() (path string, err error) {
	if path, err = exec.LookPath("go"); err != nil {
		return "", &Missing{"Go", "apt-get install golang, or https://go.dev/dl"}
	}
	return path, nil
}

var golang = Toolchain{
	Language: "go",
	missing:  func() error { _, err := findGo(); return err },
	build: func(_, _, out string) ([]command, error) {
		path, err := findGo()
		return []command{{
			env:  []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
			args: []string{path, "build", "-buildmode=c-shared", "-ldflags=-w", "-o", absolute(out), "."},
		}}, err
	},
	test: func(_, _, _ string) ([]command, error) {
		path, err := findGo()
		return []command{{args: []string{path, "test", "."}}}, err
	},
}
