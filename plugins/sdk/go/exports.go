//go:build wasip1

package sdk

import (
	"encoding/json"
	"fmt"
	"unsafe"

	"thresher/plugins/abi"
)

// kept holds the memory that the host knows by address.
var kept [][]byte

//go:wasmexport thresher_describe
func describe() int64 {
	manifest := must(registered.Manifest())
	kept = append(kept, manifest)
	return int64(uint64(address(manifest))<<32 | uint64(len(manifest)))
}

//go:wasmexport thresher_alloc
func alloc(n int32) unsafe.Pointer {
	if n <= 0 {
		return nil
	}
	buffer := make([]byte, n)
	kept = append(kept, buffer)
	return unsafe.Pointer(unsafe.SliceData(buffer))
}

//go:wasmexport thresher_run
func run(number int32) int32 {
	r, call, err := begin(number)
	if err != nil {
		return failed(err)
	}
	result, err := r.run(call)
	if err == nil {
		err = call.finish(result)
	}
	return status(abi.OK, err)
}

// simulation is what thresher_init started.
var simulation struct {
	call    *Call
	stepper Stepper
}

//go:wasmexport thresher_init
func start(number int32) int32 {
	r, call, err := begin(number)
	if err != nil {
		return failed(err)
	}
	simulation.call = call
	simulation.stepper, err = r.start(call)
	return status(abi.OK, err)
}

//go:wasmexport thresher_step
func step(n int32) int32 {
	for range n {
		done, err := simulation.call.step(simulation.stepper)
		if done || err != nil {
			return status(abi.Done, err)
		}
	}
	simulation.call.flush() // so that rows can be read while it runs
	return abi.OK
}

func begin(number int32) (Routine, *Call, error) {
	if number < 0 || int(number) >= len(registered.Routines) {
		return Routine{}, nil, fmt.Errorf("there is no routine %d", number)
	}
	size := callInfo(nil)
	info := make([]byte, size)
	callInfo(info)
	var c abi.Call
	if err := json.Unmarshal(info, &c); err != nil {
		return Routine{}, nil, fmt.Errorf("read the call: %w", err)
	}
	return registered.Routines[number], newCall(imports{}, c), nil
}

func status(ok int32, err error) int32 {
	if err != nil {
		return failed(err)
	}
	return ok
}

func failed(err error) int32 {
	fail([]byte(err.Error()))
	return abi.Failed
}
