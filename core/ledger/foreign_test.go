package ledger

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A folder of somebody else's is told from one that is a store, or can become one.
func TestCheckFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		holds []string
		says  string // empty: it is taken
	}{
		"empty":                   {nil, ""},
		"a_store":                 {[]string{"format", "records", "notes.txt"}, ""},
		"a_store_without_format":  {[]string{"records"}, ""},
		"interrupted":             {[]string{"lock", "format.new", "cache"}, ""},
		"a_new_disk":              {[]string{"lost+found"}, ""},
		"a_file":                  {[]string{"thesis.tex"}, "it has no file format, and holds thesis.tex; want a folder that is empty"},
		"hidden_files":            {[]string{".git"}, "holds .git;"},
		"many":                    {[]string{"a", "b", "c", "d", "e"}, "holds a, b, c and 2 more;"},
		"a_file_beside_our_cache": {[]string{"cache", "go.mod"}, "holds go.mod;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, file := range c.holds {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), nil, 0o600))
			}
			before := files(t, dir)
			err := CheckFolder(dir)
			assert.Equal(t, before, files(t, dir))
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, dir)
			assert.ErrorContains(t, err, c.says)
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, CheckFolder(file), "is not a folder")
	require.NoError(t, CheckFolder(file+".not"))
}
