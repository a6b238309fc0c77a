package table

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// catchFault makes an error of a fault of memory until its result is called: a mapped
// file that is cut, or whose disk fails, while it is read. Without it the process ends.
//
//	defer catchFault(&err)()
func catchFault(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		r := recover()
		if r == nil {
			return
		}
		fault, ok := r.(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok {
			panic(r)
		}
		*err = fmt.Errorf("read table: %w: its file was cut while it was read, or its disk failed: %w", ErrMalformed, fault)
	}
}
