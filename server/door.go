package server

import (
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"thresher/server/problem"
)

// CheckListen refuses an address that others than this machine can reach: the
// server asks for no key, so whoever reaches it may do everything.
func CheckListen(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q: want HOST:PORT, such as 127.0.0.1:5000", address)
	}
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%q can be reached from other machines, and this server asks for no key: want 127.0.0.1, ::1 or localhost", address)
}

// guardDoor refuses what a page of another site may try through the browser of
// someone on this machine: a name that was made to point here (DNS rebinding), and
// requests that change something on behalf of another origin.
func guardDoor(c *fiber.Ctx) error {
	host := string(c.Request().Host()) // not what a header says that a page can set
	if !isLocal(host) {
		return problem.New("host_refused", "the Host header says %q: the server answers to localhost, 127.0.0.1 and [::1]", host)
	}
	if c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead || c.Method() == fiber.MethodOptions {
		return c.Next()
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != host {
			return problem.New("cross_origin", "a page of %s may not change anything here", origin)
		}
	}
	return c.Next()
}

func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// securityHeaders keeps browsers from doing more with an answer than it is for.
func securityHeaders(c *fiber.Ctx) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'")
	return c.Next()
}

// refuseMethod refuses a method that no route has, before Fiber does so without a
// problem. It reports whether it did.
func (s *Server) refuseMethod(c *fasthttp.RequestCtx) bool {
	method := string(c.Method())
	if slices.Contains(fiber.DefaultMethods, method) {
		return false
	}
	fiberCtx := s.front.AcquireCtx(c)
	defer s.front.ReleaseCtx(fiberCtx)
	err := problem.New("method", "%.40q: want GET, HEAD, POST, PUT, PATCH or DELETE", method)
	if err := s.front.ErrorHandler(fiberCtx, err); err != nil {
		s.cfg.Log.Warn("request not answered", "error", err)
	}
	return true
}

// answerHead answers HEAD as GET, whose body is left out.
func answerHead(c *fiber.Ctx) error {
	if c.Method() != fiber.MethodHead {
		return c.Next()
	}
	c.Method(fiber.MethodGet)
	return c.RestartRouting()
}
