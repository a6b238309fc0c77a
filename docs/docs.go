// Package docs embeds the documents that the server shows.
package docs

import _ "embed"

// Errors is errors.md: every code, and what to do.
//
//go:embed errors.md
var Errors string
