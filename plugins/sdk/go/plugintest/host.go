package plugintest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"thresher/core/table"
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
	inputs []*table.File
	file   []byte
	result Result
}

var _ sdkhost.Host = (*host)(nil)

// ColumnRead implements the host.
func (h *host) ColumnRead(input, column int32, from, rows int64, part int32, into []byte) int64 {
	if input < 0 || int(input) >= len(h.inputs) || column < 0 || int(column) >= h.inputs[input].Schema().NumFields() {
		return abi.NotFound
	}
	p := columnPart{part: part}
	if part == abi.Offsets {
		p.out = make([]byte, 4) // text starts at 0
	}
	err := h.inputs[input].Range(from, from+rows, func(b arrow.RecordBatch) error {
		p.add(b.Column(int(column)))
		return nil
	})
	if err != nil {
		violate("column_read: %v", err)
	}
	if len(into) >= len(p.out) {
		copy(into, p.out)
	}
	return int64(len(p.out))
}

// InputLayout implements the host.
func (h *host) InputLayout(input, batch int32, into []byte) int64 {
	if input < 0 || int(input) >= len(h.inputs) || batch < 0 || int(batch) >= h.inputs[input].NumBatches() {
		return abi.NotFound
	}
	l, err := h.inputs[input].Layout(int(batch))
	if err != nil {
		violate("input_layout: %v", err)
	}
	raw := l.Encode()
	if len(into) >= len(raw) {
		copy(into, raw)
	}
	return int64(len(raw))
}

// InputMap implements the host. It copies: nobody sees the difference.
func (h *host) InputMap(input int32, offset, bytes int64, buffer []byte) []byte {
	if input < 0 || int(input) >= len(h.inputs) || int64(len(buffer))-abi.MapRoom < bytes {
		violate("input_map of %d bytes of input %d into %d", bytes, input, len(buffer))
	}
	if _, err := h.inputs[input].OS().ReadAt(buffer[:bytes], offset); err != nil {
		violate("input_map: %v", err)
	}
	return buffer[:bytes]
}

// columnPart collects a part of a column, batch by batch.
type columnPart struct {
	part int32
	out  []byte
	rows int
	text uint32 // bytes so far
}

func (p *columnPart) add(col arrow.Array) {
	for i := range col.Len() {
		switch c := col.(type) {
		case *array.Boolean:
			p.bit(p.part == abi.Values && c.Value(i) || p.part == abi.Validity && c.IsValid(i))
		case *array.String:
			p.addText(c, i)
		default:
			if p.part == abi.Validity {
				p.bit(col.IsValid(i))
			} else {
				p.out = append(p.out, fixed(col, i)...)
			}
		}
		p.rows++
	}
}

func (p *columnPart) bit(set bool) {
	if p.rows%8 == 0 {
		p.out = append(p.out, 0)
	}
	bitutil.SetBitTo(p.out, p.rows, set)
}

func (p *columnPart) addText(c *array.String, i int) {
	switch p.part {
	case abi.Validity:
		p.bit(c.IsValid(i))
	case abi.Values:
		p.out = append(p.out, c.Value(i)...)
	case abi.Offsets:
		p.text += uint32(len(c.Value(i)))
		p.out = binary.LittleEndian.AppendUint32(p.out, p.text)
	}
}

// fixed is a value of fixed width.
func fixed(col arrow.Array, i int) []byte {
	switch c := col.(type) {
	case *array.Int64:
		return arrow.Int64Traits.CastToBytes(c.Int64Values()[i : i+1])
	case *array.Float64:
		return arrow.Float64Traits.CastToBytes(c.Float64Values()[i : i+1])
	case *array.Date32:
		return arrow.Date32Traits.CastToBytes(c.Date32Values()[i : i+1])
	case *array.Timestamp:
		return arrow.TimestampTraits.CastToBytes(c.TimestampValues()[i : i+1])
	}
	panic("plugintest: a table has no column of " + col.DataType().String())
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
