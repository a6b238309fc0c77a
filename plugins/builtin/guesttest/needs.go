package guesttest

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"thresher/plugins/compilers"
)

// Needs skips a test where a tool is missing, and says how to install it; any other
// error fails the test. With THRESHER_COMPILERS=all in the environment none may be missing:
// nobody reads in CI what a test says that is skipped.
func Needs(t testing.TB, err error) {
	t.Helper()
	var missing *compilers.Missing
	switch {
	case errors.As(err, &missing) && os.Getenv("THRESHER_COMPILERS") != "all":
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
