package content

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/table"
	"thresher/server/api"
	"thresher/server/problem"
)

// pageRows is the most rows that one JSON page has. CSV and Arrow stream all.
const pageRows = 1000

func (h handlers) jobTable(c *fiber.Ctx) error {
	t, err := h.engine.Table(c.Context(), c.Params("id"), c.Params("name"))
	if err != nil {
		return err
	}
	return sendTable(c, c.Params("name"), t)
}

func (h handlers) datasetTable(c *fiber.Ctx) error {
	t, err := h.engine.DatasetTable(c.Context(), c.Params("name"), c.Params("table"))
	if err != nil {
		return err
	}
	return sendTable(c, c.Params("table"), t)
}

// sendTable answers with rows in the form that was asked for. It closes the table.
func sendTable(c *fiber.Ctx, name string, t core.Table) error {
	from, to, err := rowRange(c, t.Rows())
	if err != nil {
		_ = t.Close() // nothing was written
		return err
	}
	media := c.Accepts(fiber.MIMEApplicationJSON, api.MediaCSV, api.MediaArrow)
	if media == "" {
		_ = t.Close() // nothing was written
		return problem.New("not_acceptable", "a table is application/json, %s or %s", api.MediaCSV, api.MediaArrow)
	}
	page := jsonPage(name, t, from, to)
	write := map[string]func(*bufio.Writer) error{
		fiber.MIMEApplicationJSON: func(w *bufio.Writer) error { return writePage(w, page, t) },
		api.MediaCSV:              func(w *bufio.Writer) error { return table.WriteCSV(w, t, from, to) },
		api.MediaArrow:            func(w *bufio.Writer) error { return table.WriteArrow(w, t, from, to) },
	}[media]
	c.Set(fiber.HeaderContentType, media)
	if media == fiber.MIMEApplicationJSON && page.Next != nil {
		linkNext(c, *page.Next)
	}
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer t.Close() // only read
		if err := write(w); err != nil {
			// The status is sent: a body that ends early is all that can be said.
			slog.Debug("table not sent", "table", name, "error", err)
		}
	})
	return nil
}

// rowRange reads from and to.
func rowRange(c *fiber.Ctx, rows int64) (from, to int64, err error) {
	if from, err = queryNumber(c, "from", "a row", 0, 0); err != nil {
		return 0, 0, err
	}
	if to, err = queryNumber(c, "to", "a row", 0, math.MaxInt64); err != nil {
		return 0, 0, err
	}
	if to < from {
		return 0, 0, &core.Invalid{Field: "query.to", Message: fmt.Sprintf("%d: want from, which is %d, or more", to, from)}
	}
	return min(from, rows), min(to, rows), nil
}

// jsonPage describes the answer in JSON to a request for the rows [from, to): it has the
// first pageRows of them, and names the row to go on with if there are more.
func jsonPage(name string, t core.Table, from, to int64) api.TablePage {
	page := api.TablePage{Table: name, From: from, To: to, Rows: t.Rows(), Columns: []table.Column{}}
	if to-from > pageRows {
		page.To = from + pageRows
		page.Next = &page.To
	}
	for _, f := range t.Schema().Fields() {
		page.Columns = append(page.Columns, table.Column{Name: f.Name, Type: table.TypeName(f.Type)})
	}
	return page
}

// linkNext says where the rows are that the answer leaves out.
func linkNext(c *fiber.Ctx, from int64) {
	query := url.Values{"from": {strconv.FormatInt(from, 10)}}
	if to := c.Query("to"); to != "" {
		query.Set("to", to)
	}
	api.LinkNext(c, query)
}

// writePage writes rows as JSON, with what there is beside them.
func writePage(w *bufio.Writer, page api.TablePage, t core.Table) error {
	head, err := json.Marshal(page)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s,\"data\":", head[:len(head)-1])
	if err := table.WriteJSON(w, t, page.From, page.To); err != nil {
		return err
	}
	return w.WriteByte('}')
}
