package toolchain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// assemblyScript builds assembly/index.ts, and tests the module with test.mjs. Its
// compiler is a package of npm's, which is put into node_modules: of the plugin, or of the
// folder that THRESHER_ASC names.
var assemblyScript = Toolchain{
	Language: "as",
	Install:  "npm install assemblyscript@0.28.20, in the plugin's folder or in the one that THRESHER_ASC names (Debian: apt-get install nodejs npm)",
	find:     findASC,
	build:    buildAS,
	test: func(p programs, dir, sdk, work string) []step {
		out := filepath.Join(work, "plugin.wasm")
		return append(buildAS(p, dir, sdk, out), step{env: []string{"PLUGIN=" + absolute(out)}, line: []string{p["node"], "--test", "test.mjs"}})
	},
}

func buildAS(p programs, dir, sdk, out string) []step {
	abort := "" // an assertion that does not hold then crashes without a word
	if path, err := filepath.Rel(absolute(dir), absolute(filepath.Join(sdk, "assemblyscript/assembly/abort/abort"))); err == nil {
		abort = filepath.ToSlash(path)
	}
	return []step{{line: []string{p["node"], p["asc"], "assembly/index.ts", "-O3", "--use", "abort=" + abort, "-o", absolute(out)}}}
}

func findASC() (programs, error) {
	found, err := look(map[string][]string{"node": {"node", "nodejs"}})
	if err != nil {
		return nil, err
	}
	for _, home := range []string{os.Getenv("THRESHER_ASC"), "."} {
		asc := absolute(filepath.Join(home, "node_modules/assemblyscript/bin/asc.js"))
		if _, err := os.Stat(asc); home == "" || err != nil {
			continue
		}
		if text, err := exec.Command(found["node"], asc, "--version").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s does not run under %s, which may be too old: %s", asc, found["node"], text)
		}
		found["asc"] = asc
		return found, nil
	}
	return nil, errors.New("there is no assemblyscript in node_modules")
}
