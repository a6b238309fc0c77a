package core

import (
	"thresher/core/routine"
	"thresher/core/work"
)

// Plugin is a loaded plugin: its manifest and the digest of its module.
type Plugin struct {
	routine.Manifest
	Digest  string `json:"digest"` // SHA-256 of the module, hex
	Bytes   int64  `json:"bytes"`
	Builtin bool   `json:"builtin"`
}

// Plugins is what the engine needs of a sandbox: to run guests, and to know
// what can be run. List is called often and must be cheap.
type Plugins interface {
	work.Runner
	List() []Plugin
}
