//go:build wasip1

// Command guest breaks the plugin contract in as many ways as a module can and still
// be loaded. It is for the tests of package conform, which are to notice each.
package main

import (
	"fmt"
	"unsafe"
)

func main() {}

//go:wasmimport thresher result_write
func resultWrite(p unsafe.Pointer, n uint32)

//go:wasmimport thresher table_append
func tableAppend(name unsafe.Pointer, nameLen uint32, columns unsafe.Pointer, columnsLen uint32, rows int64, buffers unsafe.Pointer)

//go:wasmimport thresher progress
func progress(fraction float64, p unsafe.Pointer, n uint32)

const manifest = `{"name":"broken","version":"1.0.0","summary":"%d","routines":[
{"name":"silent","kind":"analysis","title":"","params":{"type":"object"},"inputs":[{"name":"data"}]},
{"name":"eager","kind":"simulation","title":"","params":{"type":"object"}}]}`

var (
	described int
	kept      []byte
	room      [2 << 20]byte
	batches   int
)

//go:wasmexport thresher_describe
func describe() int64 {
	described++ // it is another plugin each time
	kept = fmt.Appendf(nil, manifest, described)
	return int64(uint64(uintptr(unsafe.Pointer(&kept[0])))<<32 | uint64(len(kept)))
}

//go:wasmexport thresher_alloc
func alloc(int32) unsafe.Pointer { return unsafe.Pointer(&room) } // the same for all

//go:wasmexport thresher_run
func run(routine int32) int32 { return -1 } // and does not say why

//go:wasmexport thresher_init
func start(int32) int32 { return 0 }

// step counts how often it is called, which is not its to know, and writes a table that
// the manifest does not name.
//
//go:wasmexport thresher_step
func step(int32) int32 {
	progress(7, nil, 0)
	if batches++; batches < 20 {
		return 0
	}
	name, columns := []byte("secret"), []byte(`[{"name":"n","type":"int64"}]`)
	value := []int64{int64(batches)}
	buffers := [6]uint32{2: uint32(uintptr(unsafe.Pointer(&value[0]))), 3: 8}
	tableAppend(unsafe.Pointer(&name[0]), uint32(len(name)), unsafe.Pointer(&columns[0]), uint32(len(columns)), 1, unsafe.Pointer(&buffers))
	result := []byte("1")
	resultWrite(unsafe.Pointer(&result[0]), 1)
	return 1
}
