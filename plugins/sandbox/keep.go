package sandbox

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"thresher/core/routine"
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
func keptFile(digest string) string { return "rewritten-" + digest }

// keptForm begins a kept file. The checksum of the rest follows.
const keptForm = "thresher-form/2\n"

// recall reads what was kept of a module. It finds nothing where another program, or
// other limits, made that. A file that is damaged is dropped.
func (h *Host) recall(digest string) (k kept, found bool) {
	maker := h.maker()
	if maker == "" {
		return k, false
	}
	err := h.readKept(keptFile(digest), func(body io.Reader) error { return gob.NewDecoder(body).Decode(&k) })
	if errors.Is(err, fs.ErrNotExist) {
		return k, false
	}
	if err != nil {
		h.lost("rewritten plugin unusable: rewriting it again", err)
		h.drop(keptFile(digest))
		return kept{}, false
	}
	if k.By != maker {
		return kept{}, false
	}
	h.used(keptFile(digest))
	return k, true
}

// remember keeps a module's form. That it cannot be kept is no more than a slower
// start.
func (h *Host) remember(digest string, k kept) {
	if k.By = h.maker(); k.By == "" {
		return
	}
	err := h.writeKept(keptFile(digest), func(body io.Writer) error { return gob.NewEncoder(body).Encode(k) })
	if err != nil {
		h.log.Warn("a rewritten plugin was not kept", "error", err)
	}
}

// writeKept writes a file of the cache with a checksum before what fill writes. None of
// it is in memory twice: a module can be large.
func (h *Host) writeKept(entry string, fill func(io.Writer) error) error {
	return h.writeWith(entry, func(f *os.File) error {
		sum := sha256.New()
		if _, err := f.WriteString(keptForm + strings.Repeat("\x00", sha256.Size)); err != nil {
			return err
		}
		if err := fill(io.MultiWriter(f, sum)); err != nil {
			return err
		}
		_, err := f.WriteAt(sum.Sum(nil), int64(len(keptForm)))
		return err
	})
}

// readKept calls use with what writeKept has written, once its checksum was compared.
func (h *Host) readKept(entry string, use func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(h.cacheDir, entry))
	if err != nil {
		return err
	}
	defer f.Close() // only read
	head := make([]byte, len(keptForm)+sha256.Size)
	if n, err := io.ReadFull(f, head); err != nil || !bytes.HasPrefix(head, []byte(keptForm)) {
		return otherForm(head[:n])
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), head[len(keptForm):]) {
		return errors.New("its checksum is wrong")
	}
	if _, err := f.Seek(int64(len(head)), io.SeekStart); err != nil {
		return err
	}
	return use(bufio.NewReader(f))
}

// describedFile has what the module with a digest says of itself.
func describedFile(digest string) string { return "described-" + digest }

// described is a manifest as it is kept: whoever only wants to know it need not load the
// module.
type described struct {
	By       string
	Manifest routine.Manifest
}

// recallManifest reads what was kept of a module's manifest, as recall does.
func (h *Host) recallManifest(digest string) (m routine.Manifest, found bool) {
	maker := h.maker()
	if maker == "" {
		return m, false
	}
	var d described
	err := h.readKept(describedFile(digest), func(body io.Reader) error { return json.NewDecoder(body).Decode(&d) })
	if errors.Is(err, fs.ErrNotExist) {
		return m, false
	}
	if err != nil {
		h.lost("manifest unusable: asking the module again", err)
		h.drop(describedFile(digest))
		return m, false
	}
	return d.Manifest, d.By == maker
}

// rememberManifest keeps a manifest. That it cannot be kept is no more than a slower
// start.
func (h *Host) rememberManifest(digest string, m routine.Manifest) {
	maker := h.maker()
	if maker == "" {
		return
	}
	err := h.writeKept(describedFile(digest), func(body io.Writer) error { return json.NewEncoder(body).Encode(described{maker, m}) })
	if err != nil {
		h.log.Warn("a manifest was not kept", "error", err)
	}
}
