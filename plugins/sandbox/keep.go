package sandbox

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"thresher/core/routine"
	"thresher/plugins/sandbox/binary"
	"thresher/plugins/sandbox/rewrite"
	"thresher/plugins/sandbox/vet"
)

// kept is what vetting and rewriting made of a module. It is kept beside the compiled
// code, so that the next start need not do either again. Whoever can write there can
// write code as well.
type kept struct {
	Form    rewrite.Rewritten
	Figures []vet.Figure
}

// keptHead is kept as it is in its file, where the rewritten module follows. Data
// segments are not there: they are in the module as it was uploaded.
type keptHead struct {
	By      string // what vetted and rewrote it
	Figures []vet.Figure
	Plain   string
	Frame   uint64
	Lifted  bool
	Globals []string
	Data    []segment
	Wasm    int // bytes
}

// segment is where a data segment is, in the memory and in the module.
type segment struct {
	Offset       uint32
	Start, Bytes int
}

// sources are what vets and rewrites a module, and keeps what comes of it. That follows from
// them, from the policy, and from the module alone.
//
//go:embed keep.go binary/*.go lines/*.go rewrite/*.go vet/*.go
var sources embed.FS

// sourcesDigest tells apart programs that may make different forms of a module.
var sourcesDigest = sync.OnceValue(func() string {
	sum := sha256.New()
	err := fs.WalkDir(sources, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		content, err := sources.ReadFile(name)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		return err
	})
	if err != nil {
		panic("sandbox: " + err.Error()) // they are embedded above
	}
	return hex.EncodeToString(sum.Sum(nil))
})

// maker is what a kept form must have been made by: these sources, with this policy. It is
// empty if nothing is kept.
func (h *Host) maker() string {
	if h.cacheDir == "" {
		return ""
	}
	p := h.policy
	p.Import = nil // a function: all that it answers is in Imports
	return fmt.Sprintf("%s %+v %+v", sourcesDigest(), p, Imports())
}

// program is the digest of this program, empty if it cannot read itself.
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

// asker is what a kept manifest must have been asked for by: this program, all of which
// may have a say in what a manifest is, with this policy. It is empty if none can be kept.
func (h *Host) asker() string {
	maker := h.maker()
	if maker == "" || program() == "" {
		return ""
	}
	return program() + " " + maker
}

// keptFile has the form of the module with a digest. There is one for each, whoever made it, so that
// those of older programs do not pile up.
func keptFile(digest string) string { return "rewritten-" + digest }

// keptForm begins a kept file. The checksum of the file's name and of the rest follows: a
// file of another module, whatever put it there, is damaged.
const keptForm = "thresher-form/6\n"

// errOtherMaker is wrapped by the error of a file that other sources made, or the same with
// another policy.
var errOtherMaker = errors.New("made by another version, or with another policy")

// recall reads what was kept of a module. It finds nothing where another version, or
// another policy, made that. A file that is damaged is dropped.
func (h *Host) recall(wasm []byte, digest string) (k kept, found bool) {
	maker := h.maker()
	if maker == "" {
		return k, false
	}
	err := h.readKept(keptFile(digest), func(body *bufio.Reader) (err error) {
		k, err = readForm(body, maker, wasm)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOtherMaker) {
		return kept{}, false
	}
	if err != nil {
		h.lost("rewritten plugin unusable: rewriting it again", err)
		h.drop(keptFile(digest))
		return kept{}, false
	}
	h.used(keptFile(digest))
	return k, true
}

// remember keeps a module's form. That it cannot be kept is no more than a slower
// start.
func (h *Host) remember(digest string, k kept) {
	maker := h.maker()
	if maker == "" {
		return
	}
	err := h.writeKept(keptFile(digest), func(body io.Writer) error { return writeForm(body, maker, k) })
	if err != nil {
		h.log.Warn("a rewritten plugin was not kept", "error", err)
	}
}

func writeForm(body io.Writer, maker string, k kept) error {
	head := keptHead{By: maker, Figures: k.Figures, Plain: k.Form.Plain, Frame: k.Form.Frame, Wasm: len(k.Form.Wasm)}
	if l := k.Form.Lifted; l != nil {
		head.Lifted, head.Globals = true, l.Globals
		for _, d := range l.Data {
			head.Data = append(head.Data, segment{d.Offset, d.Start, len(d.Bytes)})
		}
	}
	if err := gob.NewEncoder(body).Encode(head); err != nil {
		return err
	}
	_, err := body.Write(k.Form.Wasm)
	return err
}

// readForm reads what writeForm has written of a module. The decoder reads no further
// than the head, because body is an io.ByteReader.
func readForm(body *bufio.Reader, maker string, wasm []byte) (k kept, err error) {
	var head keptHead
	if err := gob.NewDecoder(body).Decode(&head); err != nil {
		return k, err
	}
	if head.By != maker {
		return k, errOtherMaker
	}
	k.Figures, k.Form.Plain, k.Form.Frame, k.Form.Wasm = head.Figures, head.Plain, head.Frame, make([]byte, head.Wasm)
	if _, err := io.ReadFull(body, k.Form.Wasm); err != nil {
		return k, err
	}
	if !head.Lifted {
		return k, nil
	}
	k.Form.Lifted = &rewrite.Lifted{Globals: head.Globals, Data: make([]binary.Data, 0, len(head.Data))}
	for i, d := range head.Data {
		if d.Start < 0 || d.Bytes < 0 || d.Start > len(wasm)-d.Bytes {
			return k, fmt.Errorf("data segment %d has %d bytes at %d of a module of %d", i, d.Bytes, d.Start, len(wasm))
		}
		content := wasm[d.Start:][:d.Bytes:d.Bytes]
		k.Form.Lifted.Data = append(k.Form.Lifted.Data, binary.Data{Active: true, Constant: true, Offset: d.Offset, Bytes: content, Start: d.Start})
	}
	return k, nil
}

// writeKept writes a file of the cache with a checksum before what fill writes. None of
// it is in memory twice: a module can be large.
func (h *Host) writeKept(entry string, fill func(io.Writer) error) error {
	return h.writeWith(entry, func(f *os.File) error {
		sum := sumOf(entry)
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
func (h *Host) readKept(entry string, use func(*bufio.Reader) error) error {
	f, err := os.Open(filepath.Join(h.cacheDir, entry))
	if err != nil {
		return err
	}
	defer f.Close() // only read
	head := make([]byte, len(keptForm)+sha256.Size)
	if n, err := io.ReadFull(f, head); err != nil || !bytes.HasPrefix(head, []byte(keptForm)) {
		return otherForm(head[:n])
	}
	sum := sumOf(entry)
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

// sumOf begins the checksum of an entry.
func sumOf(entry string) hash.Hash {
	sum := sha256.New()
	fmt.Fprintln(sum, entry)
	return sum
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
	asker := h.asker()
	if asker == "" {
		return m, false
	}
	var d described
	err := h.readKept(describedFile(digest), func(body *bufio.Reader) error { return json.NewDecoder(body).Decode(&d) })
	if errors.Is(err, fs.ErrNotExist) {
		return m, false
	}
	if err != nil {
		h.lost("manifest unusable: asking the module again", err)
		h.drop(describedFile(digest))
		return m, false
	}
	return d.Manifest, d.By == asker
}

// rememberManifest keeps a manifest. That it cannot be kept is no more than a slower
// start.
func (h *Host) rememberManifest(digest string, m routine.Manifest) {
	asker := h.asker()
	if asker == "" {
		return
	}
	err := h.writeKept(describedFile(digest), func(body io.Writer) error { return json.NewEncoder(body).Encode(described{asker, m}) })
	if err != nil {
		h.log.Warn("a manifest was not kept", "error", err)
	}
}
