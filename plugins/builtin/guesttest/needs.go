package guesttest

import (
	"errors"
	"os/exec"
	"testing"

	"thresher/plugins/compilers"
)

// Needs skips a test where a tool is missing, and says how to install it; any other
// error fails the test.
func Needs(t testing.TB, err error) {
	t.Helper()
	var missing *compilers.Missing
	switch {
	case errors.As(err, &missing):
		t.Skipf("*** SKIPPED: %v ***", missing)
	case err != nil:
		t.Fatal(err)
	}
}

// Run runs a program that must succeed.
func Run(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
