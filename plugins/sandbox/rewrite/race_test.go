//go:build race

package rewrite_test

// raced says that the race detector is on.
const raced = true
