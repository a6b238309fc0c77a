package content

import (
	"fmt"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
)

// queryBool reads a query's parameter that is true or false.
func queryBool(c *fiber.Ctx, name string, otherwise bool) (bool, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, unreadable(name, text, "want true or false")
	}
	return b, nil
}

// queryNumber reads a query's parameter that is the number of something, such as "a row",
// from the least on.
func queryNumber(c *fiber.Ctx, name, of string, least, otherwise int64) (int64, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least {
		return 0, unreadable(name, text, fmt.Sprintf("want the number of %s, from %d", of, least))
	}
	return n, nil
}

func unreadable(name, text, want string) error {
	return &core.Invalid{Field: "query." + name, Message: fmt.Sprintf("%.40q: %s", text, want)}
}
