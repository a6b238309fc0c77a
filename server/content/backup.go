package content

import (
	"bufio"
	"context"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
)

// backupPatience is how long a client may take to read a piece of a backup.
const backupPatience = time.Minute

// backup streams an archive of everything. Where it breaks off, the archive has no
// manifest, which is its last file: whoever keeps it sees that it is not whole.
func (h handlers) backup(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "application/x-tar")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="thresher-backup.tar"`)
	conn, engine, log := c.Context().Conn(), h.engine, h.logger
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		if _, err := engine.Backup(context.Background(), patientWriter{w, conn}); err != nil {
			log.Warn("backup broken off", "error", err)
		}
	})
	return nil
}

// patientWriter ends with an error where the client does not read on.
type patientWriter struct {
	*bufio.Writer
	conn net.Conn
}

func (p patientWriter) Write(data []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(backupPatience)); err != nil {
		return 0, err
	}
	return p.Writer.Write(data)
}
