// Package thresher holds what plugins are built on, as source: the command line puts it
// beside a new plugin, which then builds without a network.
package thresher

import "embed"

// SDK is the packages of the Go SDK, at their places in this module. They need nothing
// but Go's own library.
//
//go:embed LICENSE core/routine/*.go core/stats/kernel/*.go core/table/cell/*.go plugins/abi/*.go plugins/builtin/chart/*.go
//go:embed plugins/sdk/go/*.go plugins/sdk/go/internal/host/*.go plugins/sdk/go/vector/*.go plugins/sdk/go/plugintest/*.go
var SDK embed.FS

// CSDK is the header of the C SDK, and the one that its tests need.
//
//go:embed plugins/sdk/c/*.h
var CSDK embed.FS

// RustSDK is the crate.
//
//go:embed plugins/sdk/rust/Cargo.toml plugins/sdk/rust/src/*.rs
var RustSDK embed.FS

// ASSDK is the npm package of AssemblyScript.
//
//go:embed plugins/sdk/assemblyscript/package.json plugins/sdk/assemblyscript/harness.mjs plugins/sdk/assemblyscript/assembly/*.ts
var ASSDK embed.FS
