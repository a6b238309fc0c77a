package server

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"thresher/server/problem"
)

type badPath struct{}

// decodePath makes the request's path what its percent-encoding stands for, before it is
// routed: RFC 3986 says that /jobs and /j%6Fbs are equal. What refuseBadPath refuses is
// left as it is.
func decodePath(c *fiber.Ctx) error {
	path := c.Path()
	decoded, err := decoded(path)
	if err != nil {
		c.Locals(badPath{}, err)
	}
	if err != nil || decoded == path {
		return c.Next()
	}
	c.Path(decoded)
	return c.RestartRouting()
}

// refuseBadPath refuses a path that decodePath could not decode. It is a handler of its
// own because an answer needs the headers of all answers.
func refuseBadPath(c *fiber.Ctx) error {
	if err, bad := c.Locals(badPath{}).(error); bad {
		return problem.New("bad_request", "%v", err)
	}
	return c.Next()
}

// decoded decodes a path. A slash or a percent sign stays encoded: the first would be
// taken for the end of a segment, the second for an encoding. No name has either, so that
// such a path leads nowhere.
func decoded(path string) (string, error) {
	if !strings.Contains(path, "%") {
		return path, validText(path)
	}
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			out.WriteByte(path[i])
			continue
		}
		b, err := hex.DecodeString(path[i+1 : min(i+3, len(path))])
		if err != nil || len(b) == 0 {
			return "", fmt.Errorf("path %.100q: %.3q is no percent-encoding: want %% and two hexadecimal digits, and %%25 for a percent sign", path, path[i:])
		}
		if b[0] == '/' || b[0] == '%' {
			fmt.Fprintf(&out, "%%%02X", b)
		} else {
			out.WriteByte(b[0])
		}
		i += 2
	}
	return out.String(), validText(out.String())
}

func validText(path string) error {
	if !utf8.ValidString(path) {
		return fmt.Errorf("path %.100q: want UTF-8", path)
	}
	return nil
}
