//go:build wasip1

package sdk

import (
	"runtime"
	"unsafe"

	"thresher/plugins/abi"
	"thresher/plugins/sdk/go/internal/host"
	"thresher/plugins/sdk/go/vector"
)

// columnVector names a column: the host reads it where it is.
func columnVector[T vector.Element](t *Table, column int32) vector.Vector[T] {
	return vector.Column[T](t.number, column, t.Rows())
}

func columnTexts(t *Table, column int32) vector.Texts {
	return vector.TextColumn(t.number, column, t.Rows())
}

//go:wasmimport thresher call_info
func hostCallInfo(p unsafe.Pointer, n uint32) uint32

//go:wasmimport thresher column_read
func hostColumnRead(input, column int32, from, rows int64, part int32, p unsafe.Pointer, n uint32) int64

//go:wasmimport thresher input_layout
func hostInputLayout(input, batch int32, p unsafe.Pointer, n uint32) int64

//go:wasmimport thresher input_map
func hostInputMap(input int32, offset, bytes int64, p unsafe.Pointer, n uint32) uint32

//go:wasmimport thresher file_read
func hostFileRead(offset int64, p unsafe.Pointer, n uint32) int64

//go:wasmimport thresher result_write
func hostResultWrite(p unsafe.Pointer, n uint32)

//go:wasmimport thresher table_append
func hostTableAppend(name unsafe.Pointer, nameLen uint32, columns unsafe.Pointer, columnsLen uint32, rows int64, buffers unsafe.Pointer)

//go:wasmimport thresher artifact_write
func hostArtifactWrite(name unsafe.Pointer, nameLen uint32, media unsafe.Pointer, mediaLen uint32, p unsafe.Pointer, n uint32)

//go:wasmimport thresher progress
func hostProgress(fraction float64, p unsafe.Pointer, n uint32)

//go:wasmimport thresher log
func hostLog(p unsafe.Pointer, n uint32)

//go:wasmimport thresher fail
func hostFail(p unsafe.Pointer, n uint32)

func pointer(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func callInfo(b []byte) uint32 { return hostCallInfo(pointer(b)) }

func fail(b []byte) { hostFail(pointer(b)) }

// imports is the host in the sandbox.
type imports struct{}

var _ host.Host = imports{}

// ColumnRead implements host.Host.
func (imports) ColumnRead(input, column int32, from, rows int64, part int32, into []byte) int64 {
	p, n := pointer(into)
	return hostColumnRead(input, column, from, rows, part, p, n)
}

// InputLayout implements host.Host.
func (imports) InputLayout(input, batch int32, into []byte) int64 {
	p, n := pointer(into)
	return hostInputLayout(input, batch, p, n)
}

// InputMap implements host.Host.
func (imports) InputMap(input int32, offset, bytes int64, buffer []byte) []byte {
	p, n := pointer(buffer)
	start := hostInputMap(input, offset, bytes, p, n) - address(buffer)
	return buffer[start : start+uint32(bytes)]
}

// FileRead implements host.Host.
func (imports) FileRead(offset int64, into []byte) int64 {
	p, n := pointer(into)
	return hostFileRead(offset, p, n)
}

// ResultWrite implements host.Host.
func (imports) ResultWrite(result []byte) { hostResultWrite(pointer(result)) }

// Log implements host.Host.
func (imports) Log(text []byte) { hostLog(pointer(text)) }

// Progress implements host.Host.
func (imports) Progress(fraction float64, message []byte) {
	p, n := pointer(message)
	hostProgress(fraction, p, n)
}

// ArtifactWrite implements host.Host.
func (imports) ArtifactWrite(name, media, content []byte) {
	np, nn := pointer(name)
	mp, mn := pointer(media)
	p, n := pointer(content)
	hostArtifactWrite(np, nn, mp, mn, p, n)
}

// TableAppend implements host.Host.
func (imports) TableAppend(name, columns []byte, rows int64, parts []host.Parts) {
	buffers := make([]abi.Buffers, len(parts))
	for i, p := range parts {
		buffers[i] = abi.Buffers{
			Validity: address(p.Validity), ValidityLen: uint32(len(p.Validity)),
			Values: address(p.Values), ValuesLen: uint32(len(p.Values)),
			Offsets: address(p.Offsets), OffsetsLen: uint32(len(p.Offsets)),
		}
	}
	np, nn := pointer(name)
	cp, cn := pointer(columns)
	hostTableAppend(np, nn, cp, cn, rows, unsafe.Pointer(unsafe.SliceData(buffers)))
	runtime.KeepAlive(parts) // the host read them by address
}
