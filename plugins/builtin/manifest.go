package builtin

import (
	"encoding/json"
	"fmt"

	"thresher/core/routine"
)

// Manifest returns what the module of one of [Names] says of itself. `make plugins`
// writes it beside the module, so that nobody has to compile the module to know it.
func Manifest(name string) (m routine.Manifest, err error) {
	content, err := read(name, ".json")
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return m, fmt.Errorf("plugin %s: manifest: %w", name, err)
	}
	return m, nil
}
