// Package docs embeds the documents that the server shows.
package docs

import (
	"embed"
	"regexp"
	"strings"
)

// Files are the documents, in Markdown.
//
//go:embed *.md plugins/*.md
var Files embed.FS

var code = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`|`(limit_[a-z0-9_]+)`|`(unreadable)`")

// Codes lists the codes that a section of errors.md explains, in its order.
func Codes(section string) (list []string) {
	text, err := Files.ReadFile("errors.md")
	if err != nil {
		panic("docs: " + err.Error()) // it is embedded above
	}
	_, found, _ := strings.Cut(string(text), "# "+section+"\n")
	found, _, _ = strings.Cut(found, "\n## ")
	for _, m := range code.FindAllStringSubmatch(found, -1) {
		list = append(list, m[1]+m[2]+m[3])
	}
	return list
}
