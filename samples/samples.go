// Package samples embeds the sample data that first steps, tests and benchmarks
// use. README.md beside it names the source and terms of each file.
package samples

import "embed"

// Files holds the data files.
//
//go:embed *.json *.csv *.arrow README.md
var Files embed.FS
