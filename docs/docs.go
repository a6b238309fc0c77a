// Package docs embeds the documents that the server shows.
package docs

import "embed"

// Files are the documents, in Markdown.
//
//go:embed *.md plugins/*.md
var Files embed.FS
