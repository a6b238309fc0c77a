// Package problem turns errors into RFC 9457 problems: the one place where an
// error gets an HTTP status. A client gets text that is meant for it; an error
// that nobody foresaw is a 500 that tells nothing, and the log has its story.
// docs/errors.md lists every code.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/core/dispatch"
	"thresher/core/job"
)

// MediaType is the content type of a problem.
const MediaType = "application/problem+json"

// Problem is the body of every error.
type Problem struct {
	Type     string       `json:"type" doc:"Where the code is explained." example:"/docs/errors#not_found"`
	Title    string       `json:"title" doc:"The kind of problem, in words."`
	Status   int          `json:"status"`
	Code     string       `json:"code" doc:"The kind of problem, stable."`
	Detail   string       `json:"detail,omitempty" doc:"This problem, in words."`
	Instance string       `json:"instance,omitempty" doc:"The request's id, as in the server's log."`
	Errors   []FieldError `json:"errors,omitempty" doc:"What is wrong with which field."`
	Phase    job.Phase    `json:"phase,omitempty" doc:"Of the job, where the move is illegal in it."`
	Limit    string       `json:"limit,omitempty" doc:"The limit that the request would pass." example:"plugin_queue_cap.models"`
	Line     int64        `json:"line,omitempty" doc:"Of a table that could not be imported, from 1."`
	Column   int64        `json:"column,omitempty"`

	retryAfter int   // seconds; 0: no hint
	cause      error // what the client is not told
}

// FieldError is what is wrong with a field of a request.
type FieldError struct {
	Field   string `json:"field" example:"params.population"`
	Message string `json:"message"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Code, p.Detail) }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (*Problem) ContentType(string) string { return MediaType }

// kinds are the codes, with the status and title of each.
var kinds = map[string]struct {
	status int
	title  string
}{
	"invalid":          {http.StatusUnprocessableEntity, "The request is not valid"},
	"invalid_params":   {http.StatusUnprocessableEntity, "The params do not fit the routine"},
	"bad_table":        {http.StatusUnprocessableEntity, "The table could not be read"},
	"table_too_wide":   {http.StatusUnprocessableEntity, "Table too wide"},
	"record_too_large": {http.StatusUnprocessableEntity, "Record too large"},
	"import_failed":    {http.StatusUnprocessableEntity, "The importer failed"},
	"bad_request":      {http.StatusBadRequest, "The request could not be read"},
	"not_found":        {http.StatusNotFound, "There is no such thing"},
	"method":           {http.StatusMethodNotAllowed, "The method is not allowed here"},
	"http_version":     {http.StatusHTTPVersionNotSupported, "HTTP version not supported"},
	"illegal_move":     {http.StatusConflict, "The job's phase does not allow this"},
	"conflict":         {http.StatusConflict, "It was changed meanwhile"},
	"key_reused":       {http.StatusConflict, "The idempotency key stands for another request"},
	"batch_paused":     {http.StatusConflict, "The batch is paused"},
	"batch_stopped":    {http.StatusConflict, "The batch was stopped"},
	"batch_expanding":  {http.StatusConflict, "The batch is not whole yet"},
	"parent_missing":   {http.StatusConflict, "A job that this one needs has not completed"},
	"version_taken":    {http.StatusConflict, "That version already exists with different content"},
	"illegal_state":    {http.StatusConflict, "The state does not allow this"},
	"plugin_disabled":  {http.StatusConflict, "The plugin is disabled"},
	"plugin_missing":   {http.StatusConflict, "Plugin missing"},
	"registry_full":    {http.StatusConflict, "Limit reached"},
	"too_many_uploads": {http.StatusTooManyRequests, "Too many modules wait for their verification"},

	"signature_missing":     {http.StatusForbidden, "The module is not signed"},
	"signature_wrong":       {http.StatusForbidden, "The signature does not hold"},
	"signature_key_unknown": {http.StatusForbidden, "The key is not trusted"},
	"signature_key_revoked": {http.StatusForbidden, "The key was revoked"},

	"in_use":           {http.StatusConflict, "Something still needs it"},
	"too_large":        {http.StatusRequestEntityTooLarge, "The body is too large"},
	"media_type":       {http.StatusUnsupportedMediaType, "The media type is not known"},
	"not_acceptable":   {http.StatusNotAcceptable, "Not available in that media type"},
	"bad_range":        {http.StatusRequestedRangeNotSatisfiable, "There is no such range"},
	"queue_full":       {http.StatusTooManyRequests, "The queue is full"},
	"too_many_paused":  {http.StatusTooManyRequests, "Too many paused jobs hold memory"},
	"too_many_bulks":   {http.StatusTooManyRequests, "Too many bulk actions"},
	"host_refused":     {http.StatusForbidden, "The server is not addressed by that name"},
	"cross_origin":     {http.StatusForbidden, "Another site's page may not do this"},
	"shutting_down":    {http.StatusServiceUnavailable, "The server is shutting down"},
	"too_many_streams": {http.StatusServiceUnavailable, "Too many event streams are open"},
	"starting":         {http.StatusServiceUnavailable, "The server is starting"},
	"blob_damaged":     {http.StatusInternalServerError, "Damaged data"},
	"disk_full":        {http.StatusInsufficientStorage, "The disk is full"},
	"store_stalled":    {http.StatusServiceUnavailable, "Store cannot write"},
	"store_damaged":    {http.StatusInternalServerError, "Store damaged"},
	"filter_too_broad": {http.StatusUnprocessableEntity, "Filter too broad"},
	"internal":         {http.StatusInternalServerError, "The server failed"},
}

// Codes lists every code.
func Codes() []string {
	codes := make([]string, 0, len(kinds))
	for code := range kinds {
		codes = append(codes, code)
	}
	return codes
}

// New returns a problem of a kind.
func New(code, format string, args ...any) *Problem {
	k, ok := kinds[code]
	if !ok {
		panic("problem: no code " + code)
	}
	return &Problem{
		Type: "/docs/errors#" + code, Title: k.title, Status: k.status, Code: code,
		Detail: fmt.Sprintf(format, args...),
	}
}

// Of turns any error into a problem.
func Of(err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	var fiberError *fiber.Error
	if errors.As(err, &fiberError) {
		return ofStatus(fiberError.Code, fiberError.Message, err)
	}
	code := core.Code(err)
	if code == "internal" {
		return internal(err)
	}
	p := New(code, "%v", err)
	p.addDetails(err)
	return p
}

// Busy is the problem of a server that cannot answer now and can soon.
func Busy(code string, again time.Duration, format string, args ...any) *Problem {
	p := New(code, format, args...)
	p.retryAfter = int(again.Seconds())
	return p
}

func internal(cause error) *Problem {
	p := New("internal", "the server's log has the reason under the request's id")
	p.cause = cause
	return p
}

func (p *Problem) addDetails(err error) {
	var (
		bad     *core.Invalid
		params  *core.InvalidParams
		illegal *job.IllegalMove
		full    *dispatch.QueueFull
	)
	if errors.As(err, &bad) && bad.Field != "" {
		p.Errors = []FieldError{{bad.Field, bad.Message}}
	}
	if errors.As(err, &params) {
		for _, v := range params.Violations {
			field := "params"
			if v.Field != "" {
				field += "." + v.Field
			}
			p.Errors = append(p.Errors, FieldError{field, v.Message})
		}
	}
	if errors.As(err, &illegal) {
		p.Phase = illegal.Phase
	}
	if errors.As(err, &full) {
		p.Limit = full.Path()
		p.retryAfter = int(full.RetryAfter.Seconds())
	}
	switch {
	case errors.Is(err, core.ErrShuttingDown):
		p.retryAfter = 5
	case p.Code == "starting":
		p.retryAfter = 1
	}
	addPlace(p, err)
}

// ofStatus is the problem of a status that a library chose.
func ofStatus(status int, message string, cause error) *Problem {
	code := map[int]string{
		http.StatusBadRequest:                  "bad_request",
		http.StatusNotFound:                    "not_found",
		http.StatusMethodNotAllowed:            "method",
		http.StatusNotAcceptable:               "not_acceptable",
		http.StatusRequestEntityTooLarge:       "too_large",
		http.StatusUnsupportedMediaType:        "media_type",
		http.StatusUnprocessableEntity:         "invalid",
		http.StatusRequestHeaderFieldsTooLarge: "bad_request",
	}[status]
	if code == "" && status < 500 {
		code = "bad_request"
	}
	if code == "" {
		return internal(cause)
	}
	return New(code, "%s", message)
}

// unreadBody is what huma says where a client broke off its body, with a status of
// 500: but it is the client's fault.
const unreadBody = "cannot read request body"

// unknownMedia is how huma begins what it says of a body that is not JSON by its
// Content-Type.
var unknownMedia = huma.ErrUnknownContentType.Error() + ": "

// FromHuma makes huma's own errors, such as those of validation, problems of ours.
func FromHuma(status int, message string, causes ...error) huma.StatusError {
	if message == unreadBody {
		return New("bad_request", "the body could not be read to its end")
	}
	p := ofStatus(status, message, errors.Join(append(causes, errors.New(message))...))
	for _, cause := range causes {
		var known *Problem
		if errors.As(cause, &known) {
			return known
		}
		var detail huma.ErrorDetailer
		if errors.As(cause, &detail) {
			d := detail.ErrorDetail()
			if media, ok := strings.CutPrefix(d.Message, unknownMedia); ok {
				return New("media_type", "the Content-Type is %.100q: want application/json", media)
			}
			p.Errors = append(p.Errors, FieldError{d.Location, fieldMessage(d)})
		} else if cause != nil {
			p.Errors = append(p.Errors, FieldError{"", cause.Error()})
		}
	}
	if p.Status < 500 && len(p.Errors) > 0 {
		p.Detail = p.inWords() // huma says only that something is wrong
	}
	return p
}

// inWords says what is wrong with the fields.
func (p *Problem) inWords() string {
	parts := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		parts[i] = strings.TrimPrefix(e.Field+": "+e.Message, ": ")
	}
	return strings.Join(parts, "; ")
}

// Handler is Fiber's error handler: it answers with the problem.
func Handler(log *slog.Logger) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		p := Of(err).complete(c, log)
		if err := c.Status(p.Status).JSON(p); err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, MediaType)
		return nil
	}
}

// Transformer completes the problems that huma answers with.
func Transformer(log *slog.Logger) huma.Transformer {
	return func(ctx huma.Context, _ string, body any) (any, error) {
		if p, ok := body.(*Problem); ok {
			return p.complete(humafiber.Unwrap(ctx), log), nil
		}
		return body, nil
	}
}

// complete returns the problem as the answer to a request, and logs what the
// client is not told.
func (p Problem) complete(c *fiber.Ctx, log *slog.Logger) *Problem {
	p.Instance = c.GetRespHeader(fiber.HeaderXRequestID)
	if allowed := c.GetRespHeader(fiber.HeaderAllow); p.Code == "method" && allowed != "" {
		p.Detail = c.Method() + " " + c.Path() + ": want " + allowed
	}
	if p.retryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(p.retryAfter))
	}
	if p.Status >= 500 && p.Status != fiber.StatusServiceUnavailable && p.retryAfter == 0 {
		log.Error("request failed", "request", p.Instance, "method", c.Method(), "path", c.Path(),
			"code", p.Code, "error", cmp.Or(p.cause, error(&p)))
	}
	return &p
}
