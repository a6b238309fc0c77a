package hostile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// tables are programs whose output is a table in Arrow: small, and large when it is
// unpacked.
func tables() []Attack {
	all := ending("output_limit",
		Attack{Name: "dictionary_bomb", Does: "writes a table in which 20 000 rows are one text of 100 KB, by a dictionary", Wasm: printing(dictionaryBomb(1, 20_000, 100_000))},
		Attack{Name: "wide_dictionary_bomb", Does: "writes a row of 400 columns with a text of 100 KB each, by dictionaries", Code: "abi_violation",
			Wasm: printing(dictionaryBomb(400, 1, 100_000))},
		Attack{Name: "view_bomb", Does: "writes a table in which 20 000 rows are views of one text of 100 KB", Wasm: printing(viewBomb(20_000, 100_000))},
		Attack{Name: "packed_bomb", Does: "writes a batch of 64 million zeros, packed", Code: "abi_violation", Wasm: printing(packedBomb(64 << 20))},
		Attack{Name: "same_batch_again", Does: "writes a table whose footer names one batch of 1000 columns 20 000 times", Code: "abi_violation",
			Wasm: printing(named(20_000, zeroRows(1000)))},
		Attack{Name: "same_rows_again", Does: "writes a table whose footer names one batch of 1000 rows 2000 times", Wasm: printing(named(2000, numberBatch(1000)))},
		Attack{Name: "growing_dictionary", Does: "writes a dictionary of 200 KB that grows by a value, 2000 times", Code: "abi_violation", Wasm: printing(growingDictionary(2000, 200_000))},
		Attack{Name: "many_empty_batches", Does: "writes 3000 batches of no rows", Code: None, Wasm: printing(emptyBatches(3000))},
	)
	for i := range all {
		all[i].Limits.Gas = 1 << 40 // what a table unpacks to is paid for: another bound is met
	}
	return all
}

// printing is a program that writes bytes to its standard output, where its table is read.
func printing(content []byte) []byte {
	const manifest = `{"name":"forged","version":"1.0.0","summary":"","routines":[{"name":"attack","kind":"analysis","title":"","params":{"type":"object"},` +
		`"stdout":"arrow","outputs":[{"name":"t"}]}]}`
	const at = 64
	m := Module{Imports: []Function{wasi("fd_write", I32, I32, I32, I32)}, Pages: uint32(1 + (len(content)+at)>>16)}
	start := Code(Store(0, at), Store(4, int32(len(content))), Push(1, 0, 1, 8), Call(0), Drop)
	data := section(11, list(Code([]byte{0}, I32Const(at), end, uleb(uint32(len(content))), content)))
	return Code(program(m, start), data, manifestSection(manifest))
}

// arrowFile writes batches of one schema.
func arrowFile(schema *arrow.Schema, batches []arrow.RecordBatch, options ...ipc.Option) []byte {
	var file bytes.Buffer
	w, err := ipc.NewFileWriter(&file, append(options, ipc.WithSchema(schema))...)
	for _, b := range batches {
		if err == nil {
			err = w.Write(b)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // nothing of it comes from outside
	}
	return file.Bytes()
}

func oneType(columns int, t arrow.DataType) *arrow.Schema {
	fields := make([]arrow.Field, columns)
	for i := range fields {
		fields[i] = arrow.Field{Name: fmt.Sprint("c", i), Type: t, Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

var textual = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}

// dictionaryBomb has the same text in every cell. All columns share a dictionary.
func dictionaryBomb(columns, rows, size int) []byte {
	value := array.NewStringBuilder(memory.DefaultAllocator)
	value.Append(strings.Repeat("x", size))
	indices := array.NewInt8Builder(memory.DefaultAllocator)
	indices.AppendValues(make([]int8, rows), nil)
	column := array.NewDictionaryArray(textual, indices.NewArray(), value.NewArray())
	schema := oneType(columns, textual)
	all := make([]arrow.Array, columns)
	for i := range all {
		all[i] = column
	}
	return arrowFile(schema, []arrow.RecordBatch{array.NewRecordBatch(schema, all, int64(rows))}, ipc.WithZstd())
}

func viewBomb(rows, size int) []byte {
	schema := oneType(1, arrow.BinaryTypes.StringView)
	b := array.NewStringViewBuilder(memory.DefaultAllocator)
	b.Append(strings.Repeat("x", size))
	one := b.NewArray().Data()
	view := one.Buffers()[1].Bytes()
	buffers := append([]*memory.Buffer{nil, memory.NewBufferBytes(bytes.Repeat(view[:16], rows))}, one.Buffers()[2:]...)
	column := array.MakeFromData(array.NewData(arrow.BinaryTypes.StringView, rows, buffers, nil, 0, 0))
	return arrowFile(schema, []arrow.RecordBatch{array.NewRecordBatch(schema, []arrow.Array{column}, int64(rows))})
}

func packedBomb(rows int) []byte {
	schema := oneType(1, arrow.PrimitiveTypes.Int64)
	column := array.MakeFromData(array.NewData(arrow.PrimitiveTypes.Int64, rows, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 8*rows))}, nil, 0, 0))
	return arrowFile(schema, []arrow.RecordBatch{array.NewRecordBatch(schema, []arrow.Array{column}, int64(rows))}, ipc.WithZstd())
}

func numberBatch(rows int) []byte {
	schema := oneType(1, arrow.PrimitiveTypes.Int64)
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(make([]int64, rows), nil)
	return arrowFile(schema, []arrow.RecordBatch{array.NewRecordBatch(schema, []arrow.Array{b.NewArray()}, int64(rows))})
}

func zeroRows(columns int) []byte {
	schema := oneType(columns, arrow.PrimitiveTypes.Int64)
	return arrowFile(schema, []arrow.RecordBatch{array.NewRecordBuilder(memory.DefaultAllocator, schema).NewRecordBatch()})
}

func emptyBatches(n int) []byte {
	schema := oneType(1, arrow.PrimitiveTypes.Int64)
	all := make([]arrow.RecordBatch, n)
	for i := range all {
		all[i] = array.NewRecordBuilder(memory.DefaultAllocator, schema).NewRecordBatch()
	}
	return arrowFile(schema, all)
}

// growingDictionary is a stream in which each batch adds a value to the dictionary of the
// one before.
func growingDictionary(n, size int) []byte {
	schema := oneType(1, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String})
	var stream bytes.Buffer
	w := ipc.NewWriter(&stream, ipc.WithSchema(schema), ipc.WithDictionaryDeltas(true))
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range n {
		value := fmt.Sprint(i)
		if i == 0 {
			value = strings.Repeat("x", size)
		}
		if err := b.Field(0).AppendValueFromString(value); err != nil {
			panic(err)
		}
		if err := w.Write(b.NewRecordBatch()); err != nil {
			panic(err)
		}
	}
	return stream.Bytes()
}

// named is a file with one batch, whose footer names that a number of times.
func named(times int, file []byte) []byte {
	const tail = 10 // the footer's length, and the magic
	size := int(binary.LittleEndian.Uint32(file[len(file)-tail:]))
	footer := bytes.Clone(file[len(file)-tail-size : len(file)-tail])
	t := flatbuffers.Table{Bytes: footer, Pos: flatbuffers.GetUOffsetT(footer)}
	slot := flatbuffers.UOffsetT(t.Offset(10)) + t.Pos
	block := footer[t.Vector(slot-t.Pos):][:24]
	out := bytes.Clone(footer)
	for len(out)%8 != 4 { // what follows its length is aligned
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out[slot:], uint32(len(out))-uint32(slot))
	out = binary.LittleEndian.AppendUint32(out, uint32(times))
	out = append(out, bytes.Repeat(block, times)...)
	whole := append(bytes.Clone(file[:len(file)-tail-size]), out...)
	return append(binary.LittleEndian.AppendUint32(whole, uint32(len(out))), "ARROW1"...)
}
