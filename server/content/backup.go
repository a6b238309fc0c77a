package content

import (
	"bufio"
	"context"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/server/api"
)

// backup streams an archive of everything. Where it breaks off, the archive has no
// manifest, which is its last file: whoever keeps it sees that it is not whole. Where
// it found damage, a list of that is the last file instead.
func (h handlers) backup(c *fiber.Ctx) error {
	skip, err := queryBool(c, "skip_damaged", false)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, api.MediaTar)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="thresher-backup.tar"`)
	engine, log := h.engine, h.logger
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		if _, err := engine.Backup(context.Background(), w, core.Backing{SkipDamaged: skip}); err != nil {
			log.Warn("backup broken off", "error", err)
		}
	})
	return nil
}
