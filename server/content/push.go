package content

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"thresher/core"
	"thresher/plugins/registry"
	"thresher/server/api"
	"thresher/server/problem"
)

// push takes a plugin's module: the body, or the part "module" of a form that may have
// a part "signature" too.
func (h handlers) push(c *fiber.Ctx) error {
	activate, err := queryBool(c, "activate", true)
	if err != nil {
		return err
	}
	wait, err := api.ParseWait(c.Query("wait"))
	if err != nil {
		return err
	}
	body := bodyOf(c)
	if body == nil {
		return problem.New("bad_request", "empty body: send the module as the request body")
	}
	limit := h.plugins.MaxBytes() + formRoom
	received, signature, err := h.receive(c, newUpload(body, c.Context().Conn(), limit))
	if err != nil {
		return err
	}
	defer received.Release()
	if received.Bytes == 0 {
		return problem.New("bad_request", "the module is empty")
	}
	tenant := c.Query("tenant", core.DefaultTenant)
	v, err := h.plugins.Add(c.Context(), received, registry.Upload{
		Tenant: tenant, By: c.Query("by"), Signature: signature, Activate: activate,
	})
	if err != nil {
		return err
	}
	c.Location("/api/v1/modules/" + v.Digest + "?tenant=" + tenant)
	if wait > 0 && !v.Decided() {
		// Not of fasthttp's context, whose end is written without a lock when the server is
		// shut down; then the registry ends this.
		ctx, cancel := context.WithTimeout(c.UserContext(), wait)
		defer cancel()
		if v, err = h.plugins.Await(ctx, tenant, v.Digest); err != nil {
			return err
		}
	}
	status := fiber.StatusAccepted
	if v.Decided() {
		status = fiber.StatusOK
	}
	return c.Status(status).JSON(v)
}

// formRoom is how much a form may add to the module, in bytes.
const formRoom = registry.MaxSignature + 64<<10

// receive takes the module as it comes, and the signature if there is one.
func (h handlers) receive(c *fiber.Ctx, body io.Reader) (*registry.Received, []byte, error) {
	kind, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	switch {
	case err == nil && kind == fiber.MIMEMultipartForm:
		return h.receiveForm(c.Context(), multipart.NewReader(body, params["boundary"]))
	case err == nil && kind != "application/wasm" && kind != fiber.MIMEOctetStream:
		return nil, nil, problem.New("media_type", "the Content-Type is %q: want application/wasm, or multipart/form-data with the parts module and signature", kind)
	}
	if size := int64(c.Request().Header.ContentLength()); size > h.plugins.MaxBytes() {
		return nil, nil, h.plugins.TooLarge(strconv.FormatInt(size, 10))
	}
	received, err := h.plugins.Receive(c.Context(), body)
	return received, nil, err
}

// receiveForm takes the parts of a form in any order.
func (h handlers) receiveForm(ctx context.Context, form *multipart.Reader) (x *registry.Received, signature []byte, err error) {
	defer func() {
		if err != nil && x != nil {
			x.Release()
		}
	}()
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF) && x == nil:
			return nil, nil, problem.New("bad_request", `the form has no part "module"`)
		case errors.Is(err, io.EOF):
			return x, signature, nil
		case err != nil:
			return x, nil, brokenForm(err)
		}
		switch part.FormName() {
		case "module":
			if x != nil {
				return x, nil, problem.New("bad_request", `the form has two parts "module"`)
			}
			if x, err = h.plugins.Receive(ctx, part); errors.Is(err, io.ErrUnexpectedEOF) {
				err = brokenForm(err)
			}
			if err != nil {
				return nil, nil, err
			}
		case "signature":
			if signature, err = io.ReadAll(io.LimitReader(part, registry.MaxSignature+1)); err != nil {
				return x, nil, brokenForm(err)
			}
			if len(signature) > registry.MaxSignature {
				return x, nil, problem.New("too_large", "the signature has more than %d bytes", registry.MaxSignature)
			}
		default:
			return x, nil, problem.New("bad_request", "the form has a part %q: want module and signature", part.FormName())
		}
	}
}

// brokenForm says that a form could not be read, unless the reason has a code.
func brokenForm(err error) error {
	var known *problem.Problem
	if errors.As(err, &known) {
		return known
	}
	return problem.New("bad_request", "the form could not be read: %v", err)
}
