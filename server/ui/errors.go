package ui

import (
	"html"
	"regexp"
	"strings"
)

var (
	codeText  = regexp.MustCompile("`([^`]+)`")
	firstRow  = regexp.MustCompile("^\\| `([a-z0-9_]+)`")
	limitCode = regexp.MustCompile("<code>(limit_[a-z_]+)</code>") // of a module: they have no rows of their own
	linkText  = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)        // to documents that the server does not show
	ruleRow   = regexp.MustCompile(`^[|\-]+$`)
)

// errorsPage is docs/errors.md as a page: where the type of a problem leads. It
// knows as much of Markdown as that document uses.
func errorsPage(markdown string) []byte {
	var page strings.Builder
	page.WriteString(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Thresher: errors</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/style.css">
</head>
<body>
<header><a class="brand" href="/"><img src="/ui/icon.svg" alt="" width="22" height="22">Thresher</a><nav aria-label="Main"><a href="/docs">HTTP interface</a></nav></header>
<main id="main" class="prose">
`)
	seen := map[string]bool{} // a code of a request may be one of a job too
	kind := ""                // of the lines that belong together: "table", "pre" or ""
	for line := range strings.Lines(markdown) {
		line = strings.TrimSuffix(line, "\n")
		next := kindOf(line, kind)
		if next != kind && kind != "" {
			page.WriteString("</" + kind + ">\n")
		}
		if next != kind && next != "" {
			page.WriteString("<" + next + ">\n")
		}
		kind = next
		switch {
		case strings.HasPrefix(line, "```"): // it has begun or ended above
		case kind == "pre":
			page.WriteString(html.EscapeString(line) + "\n")
		case kind == "table":
			page.WriteString(tableRow(line, seen))
		case strings.HasPrefix(line, "## "):
			page.WriteString("<h2>" + inline(line[3:]) + "</h2>\n")
		case strings.HasPrefix(line, "# "):
			page.WriteString("<h1>" + inline(line[2:]) + "</h1>\n")
		case line != "":
			page.WriteString("<p>" + limitCode.ReplaceAllString(inline(line), `<code id="$1">$1</code>`) + "</p>\n")
		}
	}
	if kind != "" {
		page.WriteString("</" + kind + ">\n")
	}
	page.WriteString("</main>\n</body>\n</html>\n")
	return []byte(page.String())
}

// kindOf is what a line is part of, after a line that was part of kind.
func kindOf(line, kind string) string {
	fence := strings.HasPrefix(line, "```")
	switch {
	case kind == "pre" && !fence, kind != "pre" && fence:
		return "pre"
	case strings.HasPrefix(line, "|"):
		return "table"
	}
	return ""
}

func tableRow(line string, seen map[string]bool) string {
	if ruleRow.MatchString(line) {
		return ""
	}
	cell, id := "th", ""
	if m := firstRow.FindStringSubmatch(line); m != nil {
		cell = "td"
		if !seen[m[1]] {
			id, seen[m[1]] = ` id="`+m[1]+`"`, true
		}
	}
	row := "<tr" + id + ">"
	for text := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		row += "<" + cell + ">" + inline(strings.TrimSpace(text)) + "</" + cell + ">"
	}
	return row + "</tr>\n"
}

func inline(text string) string {
	text = linkText.ReplaceAllString(html.EscapeString(text), "$1")
	return codeText.ReplaceAllString(text, "<code>$1</code>")
}
