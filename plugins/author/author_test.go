package author

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What `new` lays down in each language is what its README names, with tests, and what is
// made of it is ignored.
func TestANewPluginHasTestsAndAReadme(t *testing.T) {
	t.Parallel()
	for language, tests := range map[string]string{
		"go": "main_test.go", "wasi": "main_test.go", "c": "test.c", "rust": "src/tests.rs", "as": "test.mjs",
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "probe")
			require.NoError(t, New(language, dir))
			assert.FileExists(t, filepath.Join(dir, tests))
			ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
			require.NoError(t, err)
			assert.Contains(t, string(ignored), "*.wasm\n/out/\n")
			readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
			require.NoError(t, err)
			assert.Contains(t, string(readme), "# probe\n")
			for _, command := range []string{"build", "test", "dev", "push probe.wasm"} {
				assert.Contains(t, string(readme), "thresher plugins "+command)
			}
			assert.Empty(t, filesWith(t, dir, "NAME/"), "the name is filled in")
		})
	}
	assert.Len(t, Languages(), 5)
}

// filesWith are the files of a plugin, without the SDK's, that have a text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "thresher" {
			return filepath.SkipDir
		}
		if content, err := os.ReadFile(path); err == nil && strings.Contains(string(content), text) {
			found = append(found, path)
		}
		return nil
	}))
	return found
}

// Tests in C are no part of the module, whatever they are called.
func TestTestsInCAreLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.c": "#include \"thresher.h\"\n", "sums.c": "/* thresher_native.h is for tests */\n", "latest.c": "int x;\n",
		"test.c": "int main(void) {}\n", "test_sums.c": "int main(void) {}\n", "sums_test.c": "int main(void) {}\n",
		"check.c": "  #  include \"thresher_native.h\"\n", "try.c": "#include <sdk/thresher_native.h>\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	found, err := sourcesOfC(dir)
	require.NoError(t, err)
	var names []string
	for _, path := range found {
		names = append(names, filepath.Base(path))
	}
	assert.Equal(t, []string{"latest.c", "main.c", "sums.c"}, names)
}
