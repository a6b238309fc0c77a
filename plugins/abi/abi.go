// Package abi is the contract between the host and a guest: thresher/1. It holds
// what both sides must agree on and compiles for both; docs/abi.md explains it.
//
// All buffers are a pointer and a length in the guest's memory. A host call that
// the contract forbids, such as a buffer outside the memory or a result that is
// not JSON, ends the job with the code "abi_violation"; it does not return.
package abi

import "encoding/json"

// Module is the name that guests import the host's functions from.
const Module = "thresher"

// What a guest exports. An analysis and an importer need Run; a simulation Init and Step.
const (
	ExportMemory   = "memory"
	ExportDescribe = "thresher_describe" // () → i64: pointer << 32 | length of the manifest, JSON
	ExportAlloc    = "thresher_alloc"    // (bytes i32) → i32: memory that stays the guest's
	ExportRun      = "thresher_run"      // (routine i32) → i32: a status
	ExportInit     = "thresher_init"     // (routine i32) → i32: a status
	ExportStep     = "thresher_step"     // (steps i32) → i32: a status
)

// What makes a command: a program of WASI preview 1, with its manifest in a section.
const (
	ExportStart     = "_start"            // () → (): all it does
	ManifestSection = "thresher:manifest" // a custom section: the manifest, JSON
)

// The statuses that run, init and step return. Before Failed the guest says why
// with the host function fail.
const (
	OK     int32 = 0 // done; of step: more steps to come
	Done   int32 = 1 // of step: the simulation has ended
	Failed int32 = -1
)

// NotFound is returned by column_read and input_layout for an input, a column or a
// batch that is not there, and by file_read where there is no file.
const NotFound int64 = -1

// The parts of a column, in Arrow's physical layout.
const (
	Validity int32 = 0 // a bit a row, least significant first; 1: not null
	Values   int32 = 1 // numbers and dates: little endian; booleans: bits; text: bytes
	Offsets  int32 = 2 // text only: rows + 1 int32, from 0
)

// Call is what call_info returns: what the guest was called with.
type Call struct {
	Params json.RawMessage `json:"params"` // an object that fits the routine's schema
	Seed   uint64          `json:"seed"`
	Inputs []Input         `json:"inputs"`
	File   *File           `json:"file,omitempty"` // of an importer
}

// File describes what an importer reads.
type File struct {
	Bytes int64 `json:"bytes"`
}

// Input describes a table that the guest can read. Its position in Call.Inputs is
// its number.
type Input struct {
	Name    string   `json:"name"`
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`   // of its file
	Batches int      `json:"batches"` // record batches in it
	Columns []Column `json:"columns"`
}

// Column is a column of an input or an output. Its position is its number.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // int64, float64, bool, string, date or timestamp
}

// MapRoom is how much larger than the bytes that are mapped a buffer must be for
// input_map: what it takes to find a place in it that is aligned as they are.
const MapRoom = 128 << 10

// Buffers are the parts of one column of an output batch, as pointers and lengths
// in the guest's memory: validity (length 0: no nulls), values, offsets. Output
// batches are passed as one of them for each column.
type Buffers struct {
	Validity, ValidityLen uint32
	Values, ValuesLen     uint32
	Offsets, OffsetsLen   uint32
}

// BuffersSize is the size of Buffers in bytes.
const BuffersSize = 24

// Vector says where a kernel finds a column of numbers: 32 bytes, little endian, in
// the guest's memory, at an address that is a multiple of 8.
type Vector struct {
	Input    int32  // the number of an input, whose column it is; InMemory: the guest's memory
	Column   int32  // the number of the column; in memory: Floats or Ints
	From     uint64 // the first row; in memory: the address of the values, a multiple of 8
	Rows     uint64
	Validity uint32 // in memory: the address of a bitmap as of part Validity, 0: no nulls
	Reserved uint32 // 0
}

// VectorSize is the size of Vector in bytes.
const VectorSize = 32

// InMemory is the Input of a vector in the guest's memory.
const InMemory int32 = -1

// What a vector in memory is of: its Column.
const (
	Floats int32 = 0 // float64
	Ints   int32 = 1 // int64
)

// What kernels return instead of a number of values.
const (
	Overflow   int64 = -2 // a sum of integers does not fit 64 bits
	OutOfRange int64 = -3 // an argument, or a group's key, is outside of what it may be
)
