// Package ui is the page at /: plain HTML, CSS and JavaScript modules, embedded,
// without a build step. It talks to the same HTTP interface as everyone, and
// loads nothing from anywhere else.
package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"

	"github.com/gofiber/fiber/v2"
)

//go:embed static
var files embed.FS

// policy lets the page run what is embedded here and nothing else: no inline
// script or style, no eval, no other host. Charts are drawn by an interpreter.
const policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// framePolicy is that of the frame in which charts are drawn: no origin, and nothing to load
// but scripts.
const framePolicy = "sandbox allow-scripts; default-src 'none'; script-src 'self'; worker-src blob:; frame-ancestors 'self'"

// Mount adds the page, the documents, and what they load.
func Mount(app *fiber.App) {
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		app.Get(address(name), serve(name, content))
		return nil
	})
	if err != nil {
		panic("ui: " + err.Error()) // the folder is embedded above
	}
	mountDocs(app)
}

// address is where a file is served.
func address(name string) string {
	switch name {
	case "static/index.html":
		return "/"
	case "static/docs.html":
		return "/docs"
	}
	return "/ui" + name[len("static"):]
}

// serve answers with a file, or with 304 where the browser has it already: it
// always asks, so that a new server never meets an old page.
func serve(name string, content []byte) fiber.Handler {
	sum := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	media, policy, frames := mediaType(name), policy, "DENY"
	if name == "static/draw.html" {
		policy, frames = framePolicy, "SAMEORIGIN"
	}
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderETag, etag)
		c.Set(fiber.HeaderContentSecurityPolicy, policy)
		c.Set(fiber.HeaderXFrameOptions, frames)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		if c.Get(fiber.HeaderIfNoneMatch) == etag {
			return c.SendStatus(fiber.StatusNotModified)
		}
		c.Set(fiber.HeaderContentType, media)
		return c.Send(content)
	}
}

// mediaType does not ask the system's own table, which differs between machines.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return fiber.MIMETextHTMLCharsetUTF8
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return fiber.MIMETextPlainCharsetUTF8
}
