package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"thresher/core/spelling"
)

// queries refuses requests with a query of which a part would be ignored, on every route
// of the document: it has the parameters from there.
type queries struct {
	routes map[int][]queried // by their number of segments
}

// queried is an operation, as far as its query goes.
type queried struct {
	method   string
	segments []string // {NAME} stands for any one
	params   map[string]*huma.Param
}

// read takes over the parameters of a document.
func (q *queries) read(doc *huma.OpenAPI) {
	q.routes = map[int][]queried{}
	for path, item := range doc.Paths {
		for _, op := range operations(item) {
			r := queried{op.Method, segments(path), map[string]*huma.Param{}}
			for _, p := range op.Parameters {
				if p.In == "query" {
					r.params[p.Name] = p
				}
			}
			q.routes[len(r.segments)] = append(q.routes[len(r.segments)], r)
		}
	}
}

// check is a Fiber handler that goes before those of the routes.
func (q *queries) check(c *fiber.Ctx) error {
	args := c.Context().QueryArgs()
	if args.Len() == 0 {
		return c.Next()
	}
	route := q.find(c.Method(), c.Path())
	if route == nil {
		return c.Next()
	}
	given := map[string]int{}
	for name := range args.All() {
		given[string(name)]++
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if message := route.refuse(name, given[name]); message != "" {
			wrong = append(wrong, &huma.ErrorDetail{Location: fmt.Sprintf("query.%.40s", name), Message: message})
		}
	}
	if len(wrong) > 0 {
		return huma.NewError(http.StatusUnprocessableEntity, "the query is not valid", wrong...)
	}
	return c.Next()
}

// find returns the route that a request takes, or nil if the document has none.
func (q *queries) find(method, path string) *queried {
	requested := segments(path)
	candidates := q.routes[len(requested)]
	for i := range candidates {
		if r := &candidates[i]; r.method == method && slices.EqualFunc(r.segments, requested, fits) {
			return r
		}
	}
	return nil
}

// segments splits a path as Fiber compares it: without a slash at the end.
func segments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

func fits(segment, requested string) bool {
	return strings.HasPrefix(segment, "{") || strings.EqualFold(segment, requested)
}

// refuse says what is wrong with a parameter that is given so many times, or nothing.
func (r *queried) refuse(name string, times int) string {
	p := r.params[name]
	switch {
	case p == nil:
		return r.unknown(name)
	case times == 1:
		return ""
	case p.Schema.Type != huma.TypeArray:
		return fmt.Sprintf("given %d times: want it once", times)
	case p.Explode != nil && !*p.Explode:
		return fmt.Sprintf("given %d times: want it once, with commas between its values", times)
	}
	return ""
}

func (r *queried) unknown(name string) string {
	if len(r.params) == 0 {
		return "unknown query parameter: this route takes none"
	}
	names := slices.Sorted(maps.Keys(r.params))
	takes := "this route takes " + strings.Join(names, ", ")
	if near := spelling.Nearest(name, names); near != "" {
		takes += "; did you mean " + near + "?"
	}
	return "unknown query parameter: " + takes
}
