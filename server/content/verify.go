package content

import (
	"bufio"
	"context"
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"thresher/core/ledger"
	"thresher/server/api"
	"thresher/server/problem"
)

// verifyTells is how often a line says how far the check is. A client that is gone is
// noticed no later, and ends the check.
const verifyTells = 200 * time.Millisecond

// verify checks every record and blob now, and streams how far it is.
func (h handlers) verify(c *fiber.Ctx) error {
	check, err := h.engine.Verify()
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, api.MediaLines)
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		tell := func(line api.VerifyLine) {
			if err := writeLine(w, line); err != nil {
				cancel(err)
			}
		}
		told := time.Now()
		found, err := check(ctx, func(so ledger.Verified) {
			if time.Since(told) >= verifyTells {
				told = time.Now()
				tell(api.VerifyLine{Verified: so})
			}
		})
		last := api.VerifyLine{Verified: found.Verified, Done: err == nil}
		if err != nil {
			last.Error = problem.Of(err)
		} else {
			last.Damaged, last.DamagedRecords = &found.Damaged, &found.DamagedRecords
		}
		tell(last)
	})
	return nil
}

func writeLine(w *bufio.Writer, line api.VerifyLine) error {
	if err := json.NewEncoder(w).Encode(line); err != nil {
		return err
	}
	return w.Flush()
}
