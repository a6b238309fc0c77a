package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const lockName = "lock"

// early are the names in a data folder whose first start was interrupted, and what file
// systems put into an empty one.
var early = []string{lockName, formatName + ".new", "cache", "lost+found"}

// CheckFolder returns an error that names what is in a folder unless that is a data
// folder, or can become one: it is empty or does not exist. It changes nothing.
func CheckFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var others []string
	for _, e := range entries {
		switch {
		case e.Name() == formatName, e.Name() == storeFolder: // Open says what is wrong with it
			return nil
		case !slices.Contains(early, e.Name()):
			others = append(others, e.Name())
		}
	}
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("%s is not a data folder: it has no file %s, and holds %s; want a folder that is empty or does not exist", dir, formatName, someOf(others))
}

// someOf names the first few.
func someOf(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
