package plugintest

import (
	"encoding/json"
	"fmt"
	"regexp"

	"thresher/plugins/abi"
	sdkhost "thresher/plugins/sdk/go/internal/host"
)

// violation is a call that breaks the contract. In the sandbox it ends the guest.
type violation string

func (v violation) Error() string { return "abi_violation: " + string(v) }

func violate(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }

// outputName is what tables and artifacts may be called.
var outputName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// host keeps what a routine hands over.
type host struct {
	inputs []*input
	file   []byte
	result Result
}

var _ sdkhost.Host = (*host)(nil)

// ColumnRead implements the host.
func (h *host) ColumnRead(input, column int32, from, rows int64, part int32, into []byte) int64 {
	if input < 0 || int(input) >= len(h.inputs) || column < 0 || int(column) >= len(h.inputs[input].columns) {
		return abi.NotFound
	}
	if total := h.inputs[input].rows; from < 0 || rows < 0 || from+rows > total {
		violate("column_read: %d rows from %d of %d", rows, from, total)
	}
	data := h.inputs[input].columns[column].part(part, int(from), int(from+rows))
	if len(into) >= len(data) {
		copy(into, data)
	}
	return int64(len(data))
}

// InputLayout implements the host.
func (h *host) InputLayout(input, batch int32, into []byte) int64 {
	if input < 0 || int(input) >= len(h.inputs) || batch < 0 || int(batch) >= len(h.inputs[input].batches) {
		return abi.NotFound
	}
	layout := h.inputs[input].batches[batch]
	if len(into) >= len(layout) {
		copy(into, layout)
	}
	return int64(len(layout))
}

// InputMap implements the host. It copies: nobody sees the difference.
func (h *host) InputMap(input int32, offset, bytes int64, buffer []byte) []byte {
	if input < 0 || int(input) >= len(h.inputs) || int64(len(buffer))-abi.MapRoom < bytes {
		violate("input_map of %d bytes of input %d into %d", bytes, input, len(buffer))
	}
	file := h.inputs[input].file
	if offset < 0 || bytes < 0 || offset+bytes > int64(len(file)) {
		violate("input_map: %d bytes from %d of a file of %d", bytes, offset, len(file))
	}
	copy(buffer, file[offset:offset+bytes])
	return buffer[:bytes]
}

// FileRead implements the host.
func (h *host) FileRead(offset int64, into []byte) int64 {
	return int64(copy(into, h.file[min(offset, int64(len(h.file))):]))
}

// ResultWrite implements the host.
func (h *host) ResultWrite(result []byte) {
	if !json.Valid(result) {
		violate("the result is not JSON")
	}
	h.result.Result = append(json.RawMessage(nil), result...)
}

// ArtifactWrite implements the host.
func (h *host) ArtifactWrite(name, media, content []byte) {
	if !outputName.Match(name) {
		violate("artifact %q: not a name", name)
	}
	if _, taken := h.result.Artifacts[string(name)]; taken {
		violate("two artifacts are named %q", name)
	}
	h.result.Artifacts[string(name)] = Artifact{Media: string(media), Content: append([]byte(nil), content...)}
}

// Progress implements the host.
func (h *host) Progress(fraction float64, _ []byte) {
	h.result.Progress = append(h.result.Progress, fraction)
}

// Log implements the host.
func (h *host) Log(text []byte) { h.result.Log += string(text) }
