package ui

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	rendered "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"thresher/docs"
)

// mountDocs serves each document as a page at its name without .md, so that what a message
// names can be opened: docs/abi.md is at /docs/abi. A page is made when it is first asked
// for, which most are not.
func mountDocs(app *fiber.App) {
	var names []string
	err := fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		panic("ui: " + err.Error()) // they are embedded
	}
	for _, name := range names {
		at := "/docs/" + strings.TrimSuffix(name, ".md")
		page := sync.OnceValue(func() fiber.Handler { return serve("page.html", docPage(name, names)) })
		app.Get(at, func(c *fiber.Ctx) error { return page()(c) })
		app.Get(at+".md", func(c *fiber.Ctx) error { return c.Redirect(at, fiber.StatusMovedPermanently) })
	}
}

const docHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Thresher: %s</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/style.css">
</head>
<body>
<header><a class="brand" href="/"><img src="/ui/icon.svg" alt="" width="22" height="22">Thresher</a><nav aria-label="Main"><a href="/docs">HTTP interface</a></nav></header>
<main id="main" class="prose">
`

// docPage is a document as a page, with links to all of them at its end.
func docPage(name string, names []string) []byte {
	source, err := docs.Files.ReadFile(name)
	if err != nil {
		panic("ui: " + err.Error()) // it is embedded
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, docHead, html.EscapeString(strings.TrimSuffix(name, ".md")))
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(
		parser.WithAutoHeadingID(), parser.WithASTTransformers(util.Prioritized(places{name}, 0)),
	), goldmark.WithRendererOptions(rendered.WithUnsafe())) // the documents are ours, and have anchors
	if err := markdown.Convert(source, &page, parser.WithContext(parser.NewContext(parser.WithIDs(headings{})))); err != nil {
		panic("ui: " + err.Error()) // a buffer takes all
	}
	page.WriteString("<nav class=\"all\" aria-label=\"Documents\">\n")
	for _, other := range names {
		title := strings.TrimSuffix(other, ".md")
		fmt.Fprintf(&page, "<a href=\"/docs/%s\">%s</a>\n", title, title)
	}
	page.WriteString("</nav>\n</main>\n</body>\n</html>\n")
	return page.Bytes()
}

// headings gives headings the ids that GitHub gives them, which links in the documents use.
type headings map[string]bool

var notInID = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// Generate implements parser.IDs.
func (h headings) Generate(value []byte, _ ast.NodeKind) []byte {
	id := strings.ReplaceAll(notInID.ReplaceAllString(strings.ToLower(string(value)), ""), " ", "-")
	unique := id
	for n := 1; h[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", id, n)
	}
	h[unique] = true
	return []byte(unique)
}

// Put implements parser.IDs.
func (h headings) Put(value []byte) { h[string(value)] = true }

// places makes links between documents lead to their pages, and gives each error its place
// in the page of errors.
type places struct{ name string }

var (
	errorCode = regexp.MustCompile(`^[a-z0-9_]+$`)
	limitCode = regexp.MustCompile(`^limit_[a-z_]+$`) // of a module: they share a line
)

// Transform implements parser.ASTTransformer.
func (p places) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	seen := map[string]bool{} // a code of a request may be one of a job too
	place := func(n ast.Node, code string) {
		if !seen[code] {
			n.SetAttributeString("id", []byte(code))
			seen[code] = true
		}
	}
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = p.page(n.Destination)
		case *ast.CodeSpan:
			code := string(n.Text(reader.Source())) //nolint:staticcheck // a code span has nothing but text
			row, inRow := rowOf(n)
			switch {
			case p.name != "errors.md":
			case inRow && errorCode.MatchString(code):
				place(row, code)
			case limitCode.MatchString(code):
				place(n, code)
			}
		}
		return ast.WalkContinue, nil
	})
}

// rowOf returns the row that a code begins.
func rowOf(n ast.Node) (row *extast.TableRow, begins bool) {
	cell, isCell := n.Parent().(*extast.TableCell)
	if !isCell || n.PreviousSibling() != nil || cell.PreviousSibling() != nil {
		return nil, false
	}
	row, begins = cell.Parent().(*extast.TableRow)
	return row, begins
}

// page is where a link of a document leads: to a page if that is a document.
func (p places) page(link []byte) []byte {
	at, err := url.Parse(string(link))
	if err != nil || at.IsAbs() || at.Path == "" {
		return link
	}
	target := path.Join(path.Dir(p.name), at.Path)
	if _, err := fs.Stat(docs.Files, target); err != nil || !strings.HasSuffix(target, ".md") {
		return []byte("/docs/" + strings.TrimSuffix(p.name, ".md")) // to the source, which no server has
	}
	at.Path = "/docs/" + strings.TrimSuffix(target, ".md")
	return []byte(at.String())
}
