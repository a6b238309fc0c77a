package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// decodePath reads the path of a flag of type path as an absolute one. A path that begins
// with ~/ is in the folder that $HOME names: kong's own mapper asks the system's list of
// users instead. A lone - stays as it is.
func decodePath(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("path")
	if err != nil {
		return err
	}
	path, err := fullPath(fmt.Sprint(token.Value))
	if err == nil {
		target.SetString(path)
	}
	return err
}

func fullPath(path string) (string, error) {
	if path == "" || path == "-" {
		return path, nil
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		return filepath.Join(home, rest), err
	}
	return filepath.Abs(path)
}
