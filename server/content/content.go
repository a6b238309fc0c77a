// Package content serves and takes what is large: results, logs, artifacts,
// tables, and uploads. Everything streams; nothing is held in memory whole.
package content

import (
	"io"
	"log/slog"
	"mime"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/plugins/registry"
	"thresher/server/problem"
)

// handlers answer from an engine.
type handlers struct {
	engine    *core.Engine
	plugins   *registry.Registry
	maxUpload int64
	logger    *slog.Logger
}

// Mount adds the routes. maxUpload bounds a dataset's upload, in bytes.
func Mount(r fiber.Router, engine *core.Engine, plugins *registry.Registry, maxUpload int64, log *slog.Logger) {
	h := handlers{engine, plugins, maxUpload, log}
	r.Get("/backup", h.backup)
	r.Get("/verify", h.verify)
	r.Get("/jobs/:id/result", h.result)
	r.Get("/jobs/:id/logs", h.log)
	r.Get("/jobs/:id/artifacts/:name", h.artifact)
	r.Get("/jobs/:id/tables/:name", h.jobTable)
	r.Get("/datasets/:name/tables/:table", h.datasetTable)
	r.Post("/datasets", h.upload)
	if plugins != nil {
		r.Post("/plugins", h.push)
	}
}

func (h handlers) result(c *fiber.Ctx) error {
	f, size, err := h.engine.Result(c.Context(), c.Params("id"))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return send(c, f, size)
}

func (h handlers) log(c *fiber.Ctx) error {
	f, size, err := h.openLog(c)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	return send(c, f, size)
}

// openLog opens the log of the last attempt, or of the one that is asked for.
func (h handlers) openLog(c *fiber.Ctx) (io.ReadSeekCloser, int64, error) {
	n, err := queryNumber(c, "attempt", "an attempt", 1, 0)
	if err != nil {
		return nil, 0, err
	}
	if n == 0 {
		return h.engine.Log(c.Context(), c.Params("id"))
	}
	return h.engine.AttemptLog(c.Context(), c.Params("id"), int(n))
}

func (h handlers) artifact(c *fiber.Ctx) error {
	f, a, err := h.engine.Artifact(c.Context(), c.Params("id"), c.Params("name"))
	if err != nil {
		return err
	}
	etag := `"` + a.Digest + `"`
	c.Set(fiber.HeaderETag, etag)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if known := c.Get(fiber.HeaderIfNoneMatch); known == "*" || strings.Contains(known, etag) {
		_ = f.Close() // opened for reading
		return c.SendStatus(fiber.StatusNotModified)
	}
	// A plugin chose the name, the type and the bytes: whatever they are, they
	// must not run as a page of ours.
	c.Set(fiber.HeaderContentType, mediaType(a.Media))
	c.Set(fiber.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; sandbox")
	return send(c, f, a.Bytes)
}

// mediaType returns a type that is well formed.
func mediaType(s string) string {
	if _, _, err := mime.ParseMediaType(s); err != nil {
		return fiber.MIMEOctetStream
	}
	return s
}

// send answers with a file, or the range of it that was asked for. It closes the
// file.
func send(c *fiber.Ctx, f io.ReadSeekCloser, size int64) error {
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	from, to, part, err := byteRange(c.Get(fiber.HeaderRange), size)
	if err != nil {
		_ = f.Close() // opened for reading
		c.Set(fiber.HeaderContentRange, "bytes */"+strconv.FormatInt(size, 10))
		return err
	}
	if part {
		c.Status(fiber.StatusPartialContent)
		c.Set(fiber.HeaderContentRange, "bytes "+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(to-1, 10)+"/"+strconv.FormatInt(size, 10))
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			_ = f.Close() // opened for reading
			return err
		}
	}
	return c.SendStream(section{io.LimitReader(f, to-from), f}, int(to-from))
}

// section reads a part of a file and closes the whole: fasthttp closes what it
// has sent.
type section struct {
	io.Reader
	io.Closer
}

// byteRange reads a Range header with one range: bytes=from-to, bytes=from- or
// bytes=-last. Anything else is ignored, as RFC 9110 allows.
func byteRange(header string, size int64) (from, to int64, part bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 {
			return 0, size, false, nil
		}
		if n == 0 {
			return 0, 0, false, problem.New("bad_range", "the last 0 of %d bytes", size)
		}
		return max(size-n, 0), size, n < size, nil
	}
	from, err = strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, size, false, nil
	}
	to = size
	if last != "" {
		end, err := strconv.ParseInt(last, 10, 64)
		if err != nil || end < from {
			return 0, size, false, nil
		}
		if end < size-1 {
			to = end + 1
		}
	}
	if from >= size {
		return 0, 0, false, problem.New("bad_range", "it has %d bytes", size)
	}
	return from, to, true, nil
}
