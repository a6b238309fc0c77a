//go:build race

package hostile_test

// shadow is what the race detector keeps of memory that was used once, such as the
// stacks of recursions: it gives none of it back.
const shadow = 96 << 20
