package compilers

import (
	"context"
	"os"
	"path/filepath"
	"slices"
)

// AssemblyScript runs the compiler of a folder: its own one in node_modules, or that
// of the machine.
func AssemblyScript(ctx context.Context, dir, out string, files ...string) error {
	if _, err := node(); err != nil {
		return err
	}
	asc, found := first([]string{filepath.Join(dir, "node_modules", ".bin", "asc"), "asc"}, func(string) bool { return true })
	if !found {
		return &Missing{"the AssemblyScript compiler", "npm install --save-dev assemblyscript (in the plugin's folder, or with --global)"}
	}
	return command{dir, nil, slices.Concat([]string{asc}, files, []string{"--outFile", out, "--optimize", "--debug"})}.run(ctx)
}

func node() (string, error) {
	path, found := first([]string{"node", "nodejs"}, func(string) bool { return true })
	if !found {
		return "", &Missing{"node", "apt-get install nodejs npm"}
	}
	return path, nil
}

// assemblyScript builds assembly/index.ts, and tests the module with test.mjs. Its
// compiler is a package of npm's, in node_modules: of this folder, or of the one that
// THRESHER_ASC names.
var assemblyScript = Toolchain{
	Language: "as",
	missing:  func() error { _, err := asc(); return err },
	build:    buildAS,
	test: func(dir, sdk, work string) ([]command, error) {
		out := filepath.Join(work, "plugin.wasm")
		commands, err := buildAS(dir, sdk, out)
		if err != nil {
			return nil, err
		}
		return append(commands, command{env: []string{"PLUGIN=" + absolute(out)}, args: []string{commands[0].args[0], "--test", "test.mjs"}}), nil
	},
}

func buildAS(dir, sdk, out string) ([]command, error) {
	abort := "" // an assertion that does not hold then crashes without a word
	if path, err := filepath.Rel(absolute(dir), absolute(filepath.Join(sdk, "assemblyscript/assembly/abort/abort"))); err == nil {
		abort = filepath.ToSlash(path)
	}
	compiler, err := asc()
	return []command{{args: append(compiler, "assembly/index.ts", "-O3", "--use", "abort="+abort, "-o", absolute(out))}}, err
}

// asc is how the compiler is run.
func asc() (args []string, err error) {
	path, err := node()
	if err != nil {
		return nil, err
	}
	for _, home := range []string{os.Getenv("THRESHER_ASC"), "."} {
		script := absolute(filepath.Join(home, "node_modules/assemblyscript/bin/asc.js"))
		if home != "" && exists(script) && says(path, script, "--version") != "" { // node may be too old for it
			return []string{path, script}, nil
		}
	}
	return nil, &Missing{"the AssemblyScript compiler, or a node that is new enough for it,",
		"npm install assemblyscript@0.28.20, in the plugin's folder or in the one that THRESHER_ASC names (Debian: apt-get install nodejs npm)"}
}
