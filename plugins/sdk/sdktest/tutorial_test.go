package sdktest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/builtin/guesttest"
	"thresher/plugins/compilers"
)

// fenced is a file that a tutorial shows: its name, at the end of a line before it, and
// its text.
var fenced = regexp.MustCompile("`([a-zA-Z0-9_./-]+)`[^`\n]*:\n\n```[a-z]*\n((?s:.*?))```\n")

// Each tutorial is followed to the letter: its files are written, its commands typed.
// What installs compilers is left out, and copies come from this repository.
func TestTheTutorialsWorkAsWritten(t *testing.T) {
	t.Parallel()
	for language, page := range map[string]string{"go": "go.md", "c": "c.md", "rust": "rust.md", "as": "assemblyscript.md"} {
		t.Run(language, func(t *testing.T) {
			if testing.Short() && language != "go" {
				t.Skip("long: make test-long runs it")
			}
			chain, err := compilers.Of(language)
			require.NoError(t, err)
			guesttest.Needs(t, chain.Missing())
			text, err := os.ReadFile(filepath.Join("../../../docs/plugins", page))
			require.NoError(t, err)
			out := follow(t, string(text))
			assert.Contains(t, out, `"sum": 7`)
			assert.NotContains(t, out, "failed ")
		})
	}
}

// program builds thresher once for all tests, and returns its folder, which TestMain removes.
var program = sync.OnceValues(func() (bin string, err error) {
	if bin, err = os.MkdirTemp("", "sdktest-bin-"); err != nil {
		return "", err
	}
	programs = append(programs, bin)
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "thresher"), "thresher/cmd/thresher")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, said)
	}
	return bin, nil
})

var programs []string // folders to remove: none, or that of program

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range programs {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// follow types a tutorial's commands into one shell, in a folder of its own, and
// returns what was printed.
func follow(t *testing.T, page string) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	work := t.TempDir()
	bin, err := program()
	require.NoError(t, err)
	var script strings.Builder
	script.WriteString("set -e\n")
	rest := page
	for rest != "" {
		at := fenced.FindStringSubmatchIndex(rest)
		before := rest
		if at != nil {
			before = rest[:at[0]]
		}
		for line := range strings.Lines(before) {
			command, ok := strings.CutPrefix(line, "    ")
			switch {
			case !ok || strings.HasPrefix(command, "apt-get "):
			case strings.HasPrefix(command, "npm install"):
				script.WriteString("ln -s \"$THRESHER_ASC/node_modules\" node_modules\n")
			default:
				script.WriteString(strings.ReplaceAll(command, "/path/to/thresher", root))
			}
		}
		if at == nil {
			break
		}
		name, content := rest[at[2]:at[3]], rest[at[4]:at[5]]
		script.WriteString("mkdir -p \"$(dirname " + name + ")\"\ncat > " + name + " <<'END OF FILE'\n" + content + "END OF FILE\n")
		rest = rest[at[1]:]
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CACHE_HOME="+guesttest.CacheHome())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
