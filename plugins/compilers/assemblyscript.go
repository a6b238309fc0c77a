package compilers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// AssemblyScript runs the compiler of a folder, as its asconfig.json says.
func AssemblyScript(ctx context.Context, dir, out string) error {
	compiler, err := asc(dir)
	if err != nil {
		return err
	}
	err = command{dir, nil, append(compiler, "--outFile", out, "--optimize", "--debug")}.run(ctx)
	var failed *Failed
	if errors.As(err, &failed) && !starts(compiler) {
		return missingASC
	}
	return err
}

var missingASC = &Missing{"the AssemblyScript compiler, or a node that is new enough for it,",
	"npm install assemblyscript@0.28.20, in the plugin's folder or in the one that THRESHER_ASC names (Debian: apt-get install nodejs npm)"}

func node() (string, error) {
	path, found := first([]string{"node", "nodejs"}, func(string) bool { return true })
	if !found {
		return "", &Missing{"node", "apt-get install nodejs npm"}
	}
	return path, nil
}

// asc is how the compiler is run, a package of npm's: that in a folder's node_modules,
// that of the folder which THRESHER_ASC names, or the machine's.
func asc(dir string) (args []string, err error) {
	path, err := node()
	if err != nil {
		return nil, err
	}
	homes := []string{dir}
	if named := os.Getenv("THRESHER_ASC"); named != "" {
		homes = append(homes, named)
	}
	scripts := make([]string, 0, 3)
	for _, home := range homes {
		scripts = append(scripts, absolute(filepath.Join(home, "node_modules/assemblyscript/bin/asc.js")))
	}
	if global, err := exec.LookPath("asc"); err == nil {
		if script, err := filepath.EvalSymlinks(global); err == nil { // npm links to it
			scripts = append(scripts, script)
		}
	}
	for _, script := range scripts {
		if exists(script) {
			return []string{path, sourceMaps, script}, nil // without it, asc starts another node with it
		}
	}
	return nil, missingASC
}

const sourceMaps = "--enable-source-maps"

// starts says whether the compiler does: node may be too old for it.
func starts(compiler []string) bool {
	return says(append(slices.Clip(compiler), "--version")...) != ""
}

// assemblyScript builds assembly/index.ts, and tests the module with test.mjs.
var assemblyScript = Toolchain{
	Language: "as",
	missing: func() error {
		compiler, err := asc(".")
		if err == nil && !starts(compiler) {
			err = missingASC
		}
		return err
	},
	build: buildAS,
	test: func(dir, sdk, work string) ([]command, error) {
		out := filepath.Join(work, "plugin.wasm")
		commands, err := buildAS(dir, sdk, out)
		if err != nil {
			return nil, err
		}
		path, err := node()
		return append(commands, command{env: []string{"PLUGIN=" + absolute(out)}, args: []string{path, "--test", "test.mjs"}}), err
	},
}

func buildAS(dir, sdk, out string) ([]command, error) {
	abort := "" // an assertion that does not hold then crashes without a word
	if path, err := filepath.Rel(absolute(dir), absolute(filepath.Join(sdk, "assemblyscript/assembly/abort/abort"))); err == nil {
		abort = filepath.ToSlash(path)
	}
	compiler, err := asc(dir)
	return []command{{args: append(compiler, "assembly/index.ts", "-O3", "--use", "abort="+abort, "-o", absolute(out))}}, err
}
