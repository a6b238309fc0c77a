package sandbox

import (
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"thresher/plugins/sandbox/rewrite"
	"thresher/plugins/sandbox/vet"
)

// kept is what vetting and rewriting made of a module, as it is kept beside the
// compiled code, so that the next start need not do either again. Whoever can write
// there can write code as well.
type kept struct {
	By      string // what vetted and rewrote it
	Form    rewrite.Rewritten
	Figures []vet.Figure
}

// program is the digest of this program, empty if it cannot read itself. What it would
// find of a module, and make of it, follows from it.
var program = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
})

// maker is what a kept form must have been made by: this program, with these limits.
// It is empty if nothing can be kept.
func (h *Host) maker() string {
	if h.cacheDir == "" || program() == "" {
		return ""
	}
	return fmt.Sprintf("%s %+v", program(), h.policy.Limits)
}

// keptFile has the form of the module with a digest. There is one for each, whoever made it, so that
// those of older programs do not pile up.
func (h *Host) keptFile(digest string) string {
	return filepath.Join(h.cacheDir, "rewritten-"+digest)
}

// recall reads what was kept of a module. It finds nothing where another program, or
// other limits, made that; or where it cannot be read.
func (h *Host) recall(digest string) (k kept, found bool) {
	maker := h.maker()
	if maker == "" {
		return k, false
	}
	f, err := os.Open(h.keptFile(digest))
	if err != nil {
		return k, false
	}
	defer f.Close()
	from := gob.NewDecoder(f)
	if err := from.Decode(&k.By); err != nil || k.By != maker {
		return kept{}, false
	}
	h.used(filepath.Base(f.Name()))
	return k, from.Decode(&k.Form) == nil && from.Decode(&k.Figures) == nil
}

// remember keeps a module's form. That it cannot be kept is no more than a slower
// start.
func (h *Host) remember(digest string, k kept) {
	if k.By = h.maker(); k.By == "" {
		return
	}
	f, err := os.CreateTemp(h.cacheDir, "rewriting-")
	if err != nil {
		h.log.Warn("a rewritten plugin was not kept", "err", err)
		return
	}
	to := gob.NewEncoder(f)
	err = errors.Join(to.Encode(k.By), to.Encode(k.Form), to.Encode(k.Figures), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), h.keptFile(digest))
	}
	if err != nil {
		h.log.Warn("a rewritten plugin was not kept", "err", errors.Join(err, os.Remove(f.Name())))
	}
}
