package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"thresher/client"
	"thresher/core"
	"thresher/plugins/registry"
)

// keysCmd is about the keys that sign plugins.
type keysCmd struct {
	Trust  keysTrust  `cmd:"" help:"Trust a public key of minisign."`
	Ls     keysLs     `cmd:"" help:"List keys."`
	Revoke keysRevoke `cmd:"" help:"Revoke keys."`
}

type keysTrust struct {
	Key  string `arg:"" help:"A .pub file of minisign's, or the key itself, which begins with RW."`
	Name string `help:"Whose it is." placeholder:"NAME"`
}

// Run trusts.
func (k *keysTrust) Run(ctx context.Context, s streams, c *commands) error {
	text := k.Key
	if raw, err := os.ReadFile(k.Key); err == nil {
		text = string(raw)
	} else if !strings.HasPrefix(k.Key, "RW") {
		return &core.Invalid{Field: "key", Message: err.Error() + ": want a .pub file of minisign's, or the key itself, which begins with RW"}
	}
	var key registry.Key
	path := "/api/v1/keys?" + url.Values{"by": ofTenant{}.query()["by"]}.Encode()
	if err := client.New(c.Server).Post(ctx, path, map[string]string{"key": text, "name": k.Name}, &key); err != nil {
		return err
	}
	return showKeys(s, c, key, key)
}

type keysLs struct{}

// Run lists.
func (keysLs) Run(ctx context.Context, s streams, c *commands) error {
	var found struct {
		Keys []registry.Key `json:"keys"`
	}
	if err := client.New(c.Server).Get(ctx, "/api/v1/keys", &found); err != nil {
		return err
	}
	return showKeys(s, c, found, found.Keys...)
}

type keysRevoke struct {
	IDs []string `arg:"" name:"id" help:"The keys' ids."`
}

// Run revokes.
func (k *keysRevoke) Run(ctx context.Context, s streams, c *commands) error {
	for _, id := range k.IDs {
		if err := client.New(c.Server).Post(ctx, "/api/v1/keys/"+url.PathEscape(id)+"/revoke", nil, nil); err != nil {
			return err
		}
		if err := (did{ID: id, State: "revoked"}).print(s.out, c.JSON); err != nil {
			return err
		}
	}
	return nil
}

// showKeys prints a document, or a line for each key.
func showKeys(s streams, c *commands, document any, keys ...registry.Key) error {
	if c.JSON {
		return printJSON(s.out, document)
	}
	return list(s.out, "KEY\tSTATE\tNAME\tTRUSTED\tBY", func(line func(string, ...any)) {
		for _, k := range keys {
			state := "trusted"
			if k.Revoked != nil {
				state = "revoked"
			}
			line("%s\t%s\t%s\t%s\t%s", k.ID, state, k.Name, age(k.Trusted.At), k.Trusted.By)
		}
	})
}

// keyPassword is the password of a secret key: from the environment, or from whoever
// sits at the terminal.
func keyPassword(s streams) (string, error) {
	if password, ok := os.LookupEnv("THRESHER_KEY_PASSWORD"); ok {
		return password, nil
	}
	terminal, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", &core.Invalid{Field: "key", Message: "it has a password: set THRESHER_KEY_PASSWORD, or run this on a terminal"}
	}
	fmt.Fprintf(s.err, "Password of the key: ")
	password, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(s.err)
	return string(password), err
}
