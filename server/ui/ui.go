// Package ui is the page at /: plain HTML, CSS and JavaScript modules, embedded,
// without a build step. It talks to the same HTTP interface as everyone.
package ui

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/filesystem"
)

//go:embed static
var files embed.FS

// Mount adds the page, the interface's documentation, and what they load.
func Mount(app *fiber.App) {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic("ui: " + err.Error()) // the folder is embedded above
	}
	page := func(name string) fiber.Handler {
		content, err := fs.ReadFile(static, name)
		if err != nil {
			panic("ui: " + err.Error())
		}
		return func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
			c.Set(fiber.HeaderCacheControl, "no-cache")
			return c.Send(content)
		}
	}
	app.Get("/", page("index.html"))
	app.Get("/docs", page("docs.html"))
	app.Use("/ui", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Next()
	}, filesystem.New(filesystem.Config{Root: http.FS(static)}))
}
