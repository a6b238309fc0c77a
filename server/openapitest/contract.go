package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"thresher/server/api"
	"thresher/server/problem"
)

// contract is the OpenAPI document, ready to hold answers against. It does not change.
type contract struct {
	paths   []path
	problem response // the answer where there is no operation
}

// path is a path of the document.
type path struct {
	segments []string // {NAME} stands for any one
	methods  map[string]map[int]response
}

// response describes the answers of an operation with one status.
type response struct {
	headers map[string]bool
	media   map[string]content
}

// content describes bodies of one media type.
type content struct {
	schema *jsonschema.Schema
	line   *jsonschema.Schema            // of NDJSON
	events map[string]*jsonschema.Schema // of an event stream, by kind
}

// node is a part of the document, and where it is.
type node struct {
	compiler *jsonschema.Compiler
	root     any
	pointer  string
	value    any
}

const documentName = "openapi.json" // a name for the compiler; nothing is read from it

func newContract(document []byte) (*contract, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(documentName, root); err != nil {
		return nil, err
	}
	top := node{compiler, root, "", root}
	c := &contract{}
	for name, item := range top.at("paths").children() {
		p := path{segments: segments(name), methods: map[string]map[int]response{}}
		for method, op := range item.children() {
			if p.methods[strings.ToUpper(method)], err = responses(op.at("responses").children()); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, name, err)
			}
		}
		c.paths = append(c.paths, p)
	}
	components := top.at("components")
	schema, err := components.at("schemas").at("Problem").compile()
	c.problem = response{components.at("headers").names(), map[string]content{problem.MediaType: {schema: schema}}}
	return c, err
}

func responses(described map[string]node) (map[int]response, error) {
	all := map[int]response{}
	for text, n := range described {
		status, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("response %q: want a status", text)
		}
		if all[status], err = n.response(); err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
	}
	return all, nil
}

// at returns a child, or where the document has none a node without a value.
func (n node) at(name string) node {
	object, _ := n.value.(map[string]any)
	n.pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	n.value = object[name]
	return n
}

func (n node) children() map[string]node {
	all := map[string]node{}
	object, _ := n.value.(map[string]any)
	for name := range object {
		all[name] = n.at(name)
	}
	return all
}

// resolved follows a reference within the document.
func (n node) resolved() node {
	ref, ok := n.at("$ref").value.(string)
	if !ok {
		return n
	}
	found := node{n.compiler, n.root, "", n.root}
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		found = found.at(name)
	}
	return found
}

// names are the names of headers, as net/http writes them.
func (n node) names() map[string]bool {
	all := map[string]bool{}
	for name := range n.children() {
		all[http.CanonicalHeaderKey(name)] = true
	}
	return all
}

func (n node) response() (response, error) {
	n = n.resolved()
	r := response{n.at("headers").names(), map[string]content{}}
	for media, described := range n.at("content").children() {
		body, err := described.content()
		if err != nil {
			return r, fmt.Errorf("%s: %w", media, err)
		}
		r.media[media] = body
	}
	return r, nil
}

func (n node) content() (c content, err error) {
	if c.schema, err = n.at("schema").compile(); err != nil {
		return c, err
	}
	piece := n.at("schema").at("contentSchema").at("items")
	kinds, _ := piece.at("oneOf").value.([]any)
	if piece.value != nil && len(kinds) == 0 {
		c.line, err = piece.compile()
	}
	c.events = map[string]*jsonschema.Schema{}
	for i := range kinds {
		of := piece.at("oneOf").item(i)
		kind := of.at("properties").at("event").at("enum").item(0).value.(string)
		if c.events[kind], err = of.compile(); err != nil {
			return c, err
		}
	}
	return c, err
}

// item returns an item of a list.
func (n node) item(i int) node {
	n.value = n.value.([]any)[i]
	n.pointer += "/" + strconv.Itoa(i)
	return n
}

func (n node) compile() (*jsonschema.Schema, error) {
	if n.value == nil {
		return nil, fmt.Errorf("%s: want a schema", n.pointer)
	}
	return n.compiler.Compile(documentName + "#" + (&url.URL{Path: n.pointer}).EscapedPath())
}

// segments splits a path as routes are compared: without a slash at the end.
func segments(path string) []string {
	return strings.Split(strings.Trim(path, "/"), "/")
}

// find returns the path of the document that a request's path is, the one with the
// fewest parameters if several are.
func (c *contract) find(requested string) (found *path) {
	parts := segments(requested)
	for i, part := range parts {
		if decoded, err := url.PathUnescape(part); err == nil {
			parts[i] = decoded
		}
	}
	for i := range c.paths {
		if p := &c.paths[i]; p.fits(parts) && (found == nil || p.params() < found.params()) {
			found = p
		}
	}
	return found
}

func (p *path) fits(parts []string) bool {
	return slices.EqualFunc(p.segments, parts, func(segment, part string) bool {
		return strings.HasPrefix(segment, "{") && part != "" || strings.EqualFold(segment, part)
	})
}

func (p *path) params() (n int) {
	for _, segment := range p.segments {
		if strings.HasPrefix(segment, "{") {
			n++
		}
	}
	return n
}

// pages are served for people's browsers and are no part of the interface.
var pages = []string{"/docs", "/ui/", "/openapi"}

func isPage(requested string) bool {
	if decoded, err := url.PathUnescape(requested); err == nil {
		requested = decoded
	}
	return requested == "/" || slices.ContainsFunc(pages, func(page string) bool { return strings.HasPrefix(requested, page) })
}

// check returns how an answer differs from what the document says, or nil. whole says
// whether the body is complete: a connection may end before.
func (c *contract) check(method, requested string, answer *http.Response, body []byte, whole bool) error {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	expected, err := c.expected(method, requested, answer.StatusCode)
	if err != nil || expected == nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		if !expected.headers[name] && !ofTransport[name] {
			return fmt.Errorf("header %s: want %q to be listed", name, name)
		}
	}
	if answer.Request.Method == http.MethodHead || !whole && len(body) == 0 {
		return nil
	}
	return expected.checkBody(answer, body, whole)
}

// ofTransport are the headers that every answer may have without a word of the document.
var ofTransport = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Date": true, "Connection": true, "Transfer-Encoding": true,
}

// expected returns what the document says of an answer with that status; nil if it is
// about a page.
func (c *contract) expected(method, requested string, status int) (*response, error) {
	p := c.find(requested)
	if p == nil || p.methods[method] == nil {
		if p == nil && isPage(requested) && status < 400 {
			return nil, nil
		}
		if r, ok := p.of(status); ok {
			return &r, nil
		}
		if status >= 400 {
			return &c.problem, nil
		}
		return nil, fmt.Errorf("no such operation")
	}
	if r, ok := p.methods[method][status]; ok {
		return &r, nil
	}
	return nil, fmt.Errorf("no such status: want one of %v", slices.Sorted(maps.Keys(p.methods[method])))
}

// of returns what the path says of 405, the answer to a method that the path does not have.
func (p *path) of(status int) (response, bool) {
	if p != nil && status == http.StatusMethodNotAllowed {
		for _, statuses := range p.methods {
			if r, ok := statuses[status]; ok {
				return r, true
			}
		}
	}
	return response{}, false
}

func (r *response) checkBody(answer *http.Response, body []byte, whole bool) error {
	if len(r.media) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("a body of %d bytes: want none", len(body))
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", answer.Header.Get("Content-Type"), err)
	}
	described, ok := r.media[media]
	if !ok {
		described, ok = r.media["*/*"]
	}
	if !ok {
		return fmt.Errorf("Content-Type %s: want one of %v", media, slices.Sorted(maps.Keys(r.media)))
	}
	switch {
	case answer.StatusCode == http.StatusPartialContent:
		return nil // a part of a document is none
	case media == api.MediaEvents:
		return described.checkEvents(string(body))
	case media == api.MediaLines:
		return described.checkLines(body)
	case whole && (media == "application/json" || media == problem.MediaType):
		return checkJSON(described.schema, body, answer.StatusCode)
	}
	return nil
}

func checkJSON(schema *jsonschema.Schema, body []byte, status int) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("body %.200q: %w", body, err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("body %.1000s: %w", body, err)
	}
	object, _ := value.(map[string]any)
	if detail, _ := object["detail"].(string); twice(detail) {
		return fmt.Errorf("detail %.200q: want each word of its prefix once", detail)
	}
	if said, ok := object["status"].(json.Number); ok && status >= 400 && said.String() != strconv.Itoa(status) {
		return fmt.Errorf("body %.200s: want status %d", body, status)
	}
	return nil
}

// twice reports whether an error's text says what it is about twice in a row, as
// "routine: routine x: not found" does.
func twice(detail string) bool {
	parts := strings.Split(detail, ": ")
	for i, part := range parts[1:] {
		before := parts[i][strings.LastIndexAny(parts[i], " .")+1:]
		word, _, _ := strings.Cut(part, " ")
		if before != "" && word == before {
			return true
		}
	}
	return false
}

// checkLines checks lines of NDJSON; the connection may have ended within the last.
func (c content) checkLines(body []byte) error {
	for line := range bytes.Lines(body) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			return nil
		}
		if err := checkJSON(c.line, line, http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}

// checkEvents checks the events of a stream; the connection may have ended within the
// last.
func (c content) checkEvents(body string) error {
	blocks := strings.Split(body, "\n\n")
	for _, block := range blocks[:len(blocks)-1] {
		event, err := readEvent(block)
		if err != nil {
			return err
		}
		if len(event) == 0 {
			continue // a comment, or when to come back
		}
		kind, _ := event["event"].(string)
		schema, ok := c.events[kind]
		if !ok {
			return fmt.Errorf("event %q: want one of %v", kind, slices.Sorted(maps.Keys(c.events)))
		}
		if err := schema.Validate(event); err != nil {
			return fmt.Errorf("event %.1000q: %w", block, err)
		}
	}
	return nil
}

// readEvent reads the lines of an event.
func readEvent(block string) (map[string]any, error) {
	event := map[string]any{}
	for line := range strings.SplitSeq(block, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		var err error
		switch name {
		case "event":
			event[name] = value
		case "id", "data":
			event[name], err = jsonschema.UnmarshalJSON(strings.NewReader(value))
		case "retry", ":":
		default:
			err = fmt.Errorf("want event, id, data, retry or a comment")
		}
		if err != nil {
			return nil, fmt.Errorf("line %.200q of an event stream: %w", line, err)
		}
	}
	return event, nil
}
