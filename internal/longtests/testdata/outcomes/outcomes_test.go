// Package outcomes has a test of each outcome. `./...` does not match it.
package outcomes

import "testing"

func TestPasses(*testing.T) {}

func TestSkips(t *testing.T) {
	t.Log("first")
	t.Skip("for a reason")
}

func TestFails(t *testing.T) { t.Fatal("as it should") }
