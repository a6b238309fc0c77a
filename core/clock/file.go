package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// load reads the state that the last process left: nil if there is none. A damaged one
// is an error: it could make anything look old.
func load(file string) (*state, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, sum, _ := strings.Cut(strings.TrimSuffix(string(data), "\n"), "\n")
	if sum != checksum(text) {
		return nil, fmt.Errorf("%s is damaged: its checksum is %q, want %q", file, sum, checksum(text))
	}
	s := &state{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(s.Spans) == 0 {
		return nil, fmt.Errorf("%s has no spans", file)
	}
	return s, nil
}

func checksum(text string) string {
	return strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(text))), 16)
}

// save writes the state, unless someone else does just now. It is not synced: a state
// that is older says less, and nothing wrong.
func (c *Clock) save() {
	if c.file == "" {
		return
	}
	select {
	case c.saving <- struct{}{}:
		defer func() { <-c.saving }()
	default:
		return
	}
	var text []byte
	var err error
	c.state.Must(func(s *state) { text, err = json.Marshal(s) })
	if err == nil {
		err = replace(c.file, string(text)+"\n"+checksum(string(text))+"\n")
	}
	if err != nil { // on a full disk the last one stays, which is as good within this boot
		c.log.Debug("clock state not saved", "error", err)
	}
}

func replace(file, content string) error {
	temp := file + ".new"
	if err := os.WriteFile(temp, []byte(content), 0o600); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return os.Rename(temp, file)
}
