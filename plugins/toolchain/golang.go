package toolchain

var golang = Toolchain{
	Language: "go",
	Install:  "see https://go.dev/doc/install",
	find:     func() (programs, error) { return look(map[string][]string{"go": {"go"}}) },
	build: func(p programs, _, _, out string) []step {
		return []step{{
			env:  []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
			line: []string{p["go"], "build", "-buildmode=c-shared", "-ldflags=-w", "-o", absolute(out), "."},
		}}
	},
	test: func(p programs, _, _, _ string) []step {
		return []step{{line: []string{p["go"], "test", "."}}}
	},
}
