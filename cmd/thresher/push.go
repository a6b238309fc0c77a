package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"aead.dev/minisign"

	"thresher/client"
	"thresher/core"
	"thresher/plugins/registry"
	"thresher/plugins/sandbox"
)

// pluginsPush uploads a plugin.
type pluginsPush struct {
	File       string `arg:"" help:"The module, a .wasm file."`
	Sign       string `help:"Sign it with this secret key of minisign." type:"path" placeholder:"KEY" xor:"signature"`
	Signature  string `help:"Its signature; FILE.minisig is found by itself." type:"path" placeholder:"FILE" xor:"signature"`
	NoActivate bool   `help:"Do not let its name stand for it, so that it can be tried as NAME@VERSION first."`
	ofTenant   `embed:""`
}

// ofTenant says whose plugins are meant.
type ofTenant struct {
	Tenant string `help:"Whose plugins." default:"default"`
}

// query is what says whose plugins, and who does something.
func (t ofTenant) query() url.Values {
	q := url.Values{"tenant": {t.Tenant}}
	if u, err := user.Current(); err == nil && len(u.Username) <= 64 {
		q.Set("by", u.Username)
	}
	return q
}

// tenant is query for what nobody notes who did it.
func (t ofTenant) tenant() string { return "?" + url.Values{"tenant": {t.Tenant}}.Encode() }

// Run uploads, and shows the verification until it is over. Its exit code is 1 if the
// module is rejected.
func (p *pluginsPush) Run(ctx context.Context, s streams, c *commands) error {
	f, err := openModule(p.File)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	signature, err := p.signature(f, s)
	if err != nil {
		return err
	}
	cl := client.New(c.Server)
	v, err := p.upload(ctx, cl, f, signature)
	if err != nil {
		return fmt.Errorf("%s: %w", p.File, err)
	}
	if v, err = p.follow(ctx, s, cl, v); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(s.out, v)
	} else {
		showUpload(s.out, v)
	}
	if err == nil && v.State == string(registry.Rejected) {
		err = &jobEnded{exitJobFailed, refusalText(p.File, c.Server, v.Report.Refusal)}
	}
	return err
}

// signature returns what is sent beside the module: nothing, if it is not signed.
func (p *pluginsPush) signature(module io.ReadSeeker, s streams) ([]byte, error) {
	switch {
	case p.Sign != "":
		signature, err := signModule(module, p.Sign, "", s)
		if err != nil {
			return nil, err
		}
		_, err = module.Seek(0, io.SeekStart)
		return signature, err
	case p.Signature != "":
		signature, err := os.ReadFile(p.Signature)
		if err != nil {
			return nil, &core.Invalid{Field: "signature", Message: err.Error()}
		}
		return signature, nil
	}
	beside, err := os.ReadFile(p.File + ".minisig")
	if err != nil {
		return nil, nil // there is none: the server says if it needs one
	}
	return beside, nil
}

// upload sends the module as it is read.
func (p *pluginsPush) upload(ctx context.Context, cl *client.Client, module io.Reader, signature []byte) (v registry.View, err error) {
	q := p.query()
	q.Set("activate", fmt.Sprint(!p.NoActivate))
	path := "/api/v1/plugins?" + q.Encode()
	if signature == nil {
		return v, cl.Send(ctx, "POST", path, "application/wasm", io.NopCloser(module), &v)
	}
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		part, err := form.CreateFormFile("module", filepath.Base(p.File))
		if err == nil {
			_, err = io.Copy(part, module)
		}
		if err == nil {
			err = form.WriteField("signature", string(signature))
		}
		if err == nil {
			err = form.Close()
		}
		_ = w.CloseWithError(err) // returns nil
	}()
	return v, cl.Send(ctx, "POST", path, form.FormDataContentType(), r, &v)
}

// steps is how many steps a verification has.
const steps = 6

// follow shows the verification until it is over.
func (p *pluginsPush) follow(ctx context.Context, s streams, cl *client.Client, v registry.View) (registry.View, error) {
	shown := newProgress(s.err, filepath.Base(p.File))
	defer shown.end()
	path := "/api/v1/modules/" + v.Digest
	for !v.Decided() {
		err := cl.FollowPath(ctx, path+"/events"+p.tenant(), func(e client.Event) bool {
			var now registry.View
			if json.Unmarshal(e.Data, &now) != nil {
				return false
			}
			if r := now.Report; r != nil && r.Now != "" {
				shown.at(float64(len(r.Steps))/steps, r.Now, r.Now)
			}
			return !now.Decided()
		})
		if ctx.Err() != nil {
			return v, err
		}
		// A stream that breaks is no matter: this waits.
		if err := cl.Get(ctx, path+p.tenant()+"&wait=30s", &v); err != nil {
			return v, err
		}
	}
	shown.at(1, v.State, v.State)
	return v, nil
}

// showUpload says what became of an upload that is decided on.
func showUpload(w io.Writer, v registry.View) {
	fmt.Fprintf(w, "sha256   %s\nbytes    %d\nstate    %s\n", v.Digest, v.Bytes, v.State)
	if v.Name != "" {
		active := ""
		if v.Active {
			active = ", active"
		}
		fmt.Fprintf(w, "plugin   %s@%s%s\n", v.Name, v.Version, active)
	}
	if v.Signature != nil {
		fmt.Fprintf(w, "signed   by %s\n", strings.TrimSpace(v.Signature.Key+" "+v.Signature.Name))
	}
	for _, line := range [][2]string{{"reason", v.Reason}, {"note", v.Deprecated}} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-9s%s\n", line[0], line[1])
		}
	}
	if v.Report == nil {
		return
	}
	for _, step := range v.Report.Steps {
		fmt.Fprintf(w, "%-9s%s\n", step.Name, time.Duration(step.Seconds*float64(time.Second)).Round(10*time.Microsecond))
	}
	for _, x := range v.Report.Examples {
		fmt.Fprintf(w, "example  %s/%s %s\n", x.Routine, x.Name, passed(x.Passed))
	}
	if v.Report.Plain != "" {
		fmt.Fprintf(w, "no image %s\n", v.Report.Plain)
	}
}

// refusalText says which check, where, what was found, and what would pass.
func refusalText(file, server string, r *sandbox.Refused) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is rejected (%s", file, r.Code)
	if r.Check != "" {
		fmt.Fprintf(&b, ", %s", r.Check)
	}
	fmt.Fprintf(&b, "): %s", r.Detail)
	b.WriteString(refusalDetails(r))
	return b.String() + refusalLine("see", strings.TrimSuffix(server, "/")+r.Docs)
}

// refusalDetails are lines that say what was found, and what would pass.
func refusalDetails(r *sandbox.Refused) string {
	found := r.Found
	if strings.Contains(r.Detail, found) {
		found = "" // a crash is long enough once
	}
	return refusalLine("found", found) + refusalLine("want", r.Want)
}

func refusalLine(name, text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("\n  %-6s %s", name, strings.ReplaceAll(text, "\n", "\n         "))
}

// pluginsSign signs a module.
type pluginsSign struct {
	File    string `arg:"" help:"The module, a .wasm file."`
	Key     string `help:"The secret key, a file of minisign's. Its password is in THRESHER_KEY_PASSWORD, or asked for." type:"path" required:"" placeholder:"FILE"`
	Comment string `help:"What the signature is of too." placeholder:"TEXT"`
	Out     string `help:"Where the signature goes; default FILE.minisig." type:"path" placeholder:"FILE"`
}

// Run signs, without a server.
func (p *pluginsSign) Run(s streams, c *commands) error {
	f, err := os.Open(p.File)
	if err != nil {
		return &core.Invalid{Field: "file", Message: err.Error()}
	}
	defer f.Close() // only read
	signature, err := signModule(f, p.Key, p.Comment, s)
	if err != nil {
		return err
	}
	out := p.Out
	if out == "" {
		out = p.File + ".minisig"
	}
	if err := os.WriteFile(out, signature, 0o600); err != nil {
		return &core.Invalid{Field: "out", Message: err.Error()}
	}
	return did{ID: out, State: "signed"}.print(s.out, c.JSON)
}

// signModule signs what r yields, as minisign does.
func signModule(r io.Reader, keyFile, comment string, s streams) ([]byte, error) {
	key, err := secretKey(keyFile, s)
	if err != nil {
		return nil, err
	}
	read := minisign.NewReader(r)
	if _, err := io.Copy(io.Discard, read); err != nil {
		return nil, err
	}
	if comment == "" {
		comment = fmt.Sprintf("timestamp:%d", time.Now().Unix())
	}
	return read.SignWithComments(key, comment, "signature from a minisign secret key"), nil
}

// secretKey reads a secret key, and asks for its password if it has one.
func secretKey(file string, s streams) (key minisign.PrivateKey, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return key, &core.Invalid{Field: "key", Message: err.Error()}
	}
	if !minisign.IsEncrypted(text) {
		if err := key.UnmarshalText(bytes.TrimSpace(text)); err != nil {
			return key, &core.Invalid{Field: "key", Message: fmt.Sprintf("%s is no secret key of minisign: %v", file, err)}
		}
		return key, nil
	}
	password, err := keyPassword(s)
	if err != nil {
		return key, err
	}
	if key, err = minisign.DecryptKey(password, text); err != nil {
		return key, &core.Invalid{Field: "key", Message: fmt.Sprintf("%s: the password is wrong: %v", file, err)}
	}
	return key, nil
}
