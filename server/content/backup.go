package content

import (
	"bufio"
	"context"

	"github.com/gofiber/fiber/v2"
)

// backup streams an archive of everything. Where it breaks off, the archive has no
// manifest, which is its last file: whoever keeps it sees that it is not whole.
func (h handlers) backup(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "application/x-tar")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="thresher-backup.tar"`)
	engine, log := h.engine, h.logger
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		if _, err := engine.Backup(context.Background(), w); err != nil {
			log.Warn("backup broken off", "error", err)
		}
	})
	return nil
}
