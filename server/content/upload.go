package content

import (
	"encoding/json"
	"io"
	"net"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/table"
	"thresher/server/problem"
)

// Without a rate, a client that sends a byte a minute could hold a connection for ever.
const (
	uploadRate     = 1 << 10     // bytes a second that an upload must bring on average
	uploadPatience = time.Minute // the longest pause, and how far an upload may fall behind the rate
)

// upload imports the body as a dataset's table.
func (h handlers) upload(c *fiber.Ctx) error {
	name := c.Query("name")
	if name == "" {
		return &core.Invalid{Field: "query.name", Message: "is missing: the dataset's name"}
	}
	importer := c.Query("importer")
	var format table.Format
	err := checkImporter(c, importer)
	if err == nil && importer == "" {
		format, err = uploadFormat(c)
	}
	if err != nil {
		return err
	}
	size := int64(c.Request().Header.ContentLength())
	if size > h.maxUpload {
		return problem.New("too_large", "the upload has %d bytes: the limit is %d", size, h.maxUpload)
	}
	body := bodyOf(c)
	if body == nil {
		return problem.New("bad_request", "the body is empty: it is to be the file")
	}
	var d core.Dataset
	file := newUpload(body, c.Context().Conn(), h.maxUpload)
	if importer == "" {
		d, err = h.engine.PutDataset(c.Context(), name, format, file, nil)
	} else {
		how := core.Request{Routine: importer, Params: json.RawMessage(c.Query("params")), Tenant: c.Query("tenant")}
		// Not of fasthttp's context, whose end is written without a lock.
		d, err = h.engine.ImportDataset(c.UserContext(), name, core.Importing{Request: how, Limit: h.maxUpload}, file)
	}
	if err != nil {
		return err
	}
	c.Location("/api/v1/datasets/" + d.Name)
	return c.Status(fiber.StatusCreated).JSON(d)
}

// checkImporter refuses parameters that would be ignored: some are only for uploads with
// an importer, one only for those without.
func checkImporter(c *fiber.Ctx, importer string) error {
	if importer != "" {
		if c.Query("format") != "" {
			return &core.Invalid{Field: "query.format", Message: "the importer reads the file: want format or importer, not both"}
		}
		return nil
	}
	for _, name := range []string{"params", "tenant"} {
		if c.Query(name) != "" {
			return &core.Invalid{Field: "query." + name, Message: "is only for an importer: add importer=PLUGIN/ROUTINE, or leave it out"}
		}
	}
	return nil
}

func uploadFormat(c *fiber.Ctx) (table.Format, error) {
	if named := table.Format(c.Query("format")); named != "" {
		if !slices.Contains(table.Formats, named) {
			return "", unreadable("format", string(named), "want csv, json, ndjson or arrow")
		}
		return named, nil
	}
	format, err := table.FormatOf("", c.Get(fiber.HeaderContentType))
	if err != nil {
		return "", problem.New("media_type", "the Content-Type %q is none of text/csv, application/json, application/x-ndjson, application/vnd.apache.arrow.file: name it, or add format=csv|json|ndjson|arrow to the query", c.Get(fiber.HeaderContentType))
	}
	return format, nil
}

// upload reads a body, as long as it comes, up to a limit.
type upload struct {
	body   io.Reader
	conn   deadliner
	now    func() time.Time
	read   int64
	limit  int64
	waited time.Duration // for the body
}

// deadliner is what an upload needs of its connection.
type deadliner interface{ SetReadDeadline(time.Time) error }

func newUpload(body io.Reader, conn net.Conn, limit int64) *upload {
	return &upload{body: body, conn: conn, now: time.Now, limit: limit}
}

func (u *upload) Read(p []byte) (int, error) {
	start := u.now()
	mayWait := min(uploadPatience, uploadPatience+time.Duration(u.read)*time.Second/uploadRate-u.waited)
	if err := u.conn.SetReadDeadline(start.Add(mayWait)); err != nil {
		return 0, err
	}
	n, err := u.body.Read(p)
	waited := u.now().Sub(start)
	u.waited += waited
	if err != nil && waited >= mayWait {
		return n, problem.New("bad_request", "the upload is too slow: %d bytes in %v; want %d a second, and pauses of %v at most",
			u.read, u.waited.Round(time.Second), uploadRate, uploadPatience)
	}
	if u.read += int64(n); u.read > u.limit {
		return 0, problem.New("too_large", "the upload has more than %d bytes, which is the limit", u.limit)
	}
	return n, err
}
