// Package outcomes has a test of each outcome. `./...` does not match it.
package outcomes

import "testing"

func TestPasses(*testing.T) {}

func TestSkips(t *testing.T) {
	said := make(chan struct{})
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		t.Log("first")
		defer close(said)
		t.Skip("for a reason")
	})
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		<-said
		t.Skip("for another")
	})
}

func TestFails(t *testing.T) { t.Fatal("as it should") }
