//go:build wasip1

package sdk

import (
	"runtime"
	"unsafe"

	"thresher/plugins/abi"
)

//go:wasmimport thresher call_info
func hostCallInfo(p unsafe.Pointer, n uint32) uint32

//go:wasmimport thresher column_read
func hostColumnRead(input, column int32, from, rows int64, part int32, p unsafe.Pointer, n uint32) int64

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

func columnRead(input, column int32, from, rows int64, part int32, b []byte) int64 {
	p, n := pointer(b)
	return hostColumnRead(input, column, from, rows, part, p, n)
}

func resultWrite(b []byte) { hostResultWrite(pointer(b)) }
func logText(b []byte)     { hostLog(pointer(b)) }
func fail(b []byte)        { hostFail(pointer(b)) }

func progress(fraction float64, message []byte) {
	p, n := pointer(message)
	hostProgress(fraction, p, n)
}

func artifactWrite(name, media, content []byte) {
	np, nn := pointer(name)
	mp, mn := pointer(media)
	p, n := pointer(content)
	hostArtifactWrite(np, nn, mp, mn, p, n)
}

func tableAppend(name, schema []byte, rows int64, columns []*columnBuffer) {
	buffers := make([]abi.Buffers, len(columns))
	for i, c := range columns {
		validity, values, offsets := c.parts()
		buffers[i] = abi.Buffers{
			Validity: address(validity), ValidityLen: uint32(len(validity)),
			Values: address(values), ValuesLen: uint32(len(values)),
			Offsets: address(offsets), OffsetsLen: uint32(len(offsets)),
		}
	}
	np, nn := pointer(name)
	sp, sn := pointer(schema)
	hostTableAppend(np, nn, sp, sn, rows, unsafe.Pointer(unsafe.SliceData(buffers)))
	runtime.KeepAlive(columns) // the host read them by address
}

// parts returns the column's validity, values and offsets.
func (b *columnBuffer) parts() (validity, values, offsets []byte) {
	if b.nulls {
		validity = b.validity
	}
	switch b.kind {
	case "int64":
		return validity, bytesOf(b.ints), nil
	case "float64":
		return validity, bytesOf(b.floats), nil
	case "bool":
		return validity, b.bits, nil
	}
	return validity, b.text, bytesOf(b.offsets)
}
