package api

import (
	"net/url"

	"github.com/gofiber/fiber/v2"
)

// LinkNext sets the header Link to where the rest of an answer is: at the request's path,
// with another query.
func LinkNext(c *fiber.Ctx, query url.Values) {
	next := url.URL{Path: c.Path(), RawQuery: query.Encode()}
	c.Set(fiber.HeaderLink, "<"+next.String()+`>; rel="next"`)
}
