//go:build !race

package hostile_test

const shadow = 0
