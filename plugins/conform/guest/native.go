//go:build !wasip1

package main

// It is a guest: there is nothing to run elsewhere.
func main() {}
