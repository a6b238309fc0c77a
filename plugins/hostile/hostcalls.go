package hostile

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"thresher/core/table"
)

// HostCall is a call of a function that the host offers, with arguments that are worth
// trying: what it costs is known.
type HostCall struct {
	Name  string // of the function
	Case  string // which arguments
	Setup []byte // code that is run before
	Args  []byte // code that pushes the arguments
	// Units is how many units of each kind of work the host does, by their names in the
	// table of prices.
	Units map[string]int
	Once  bool // it cannot be called twice, or the second call costs something else
	Ends  bool // it ends the guest
}

// The places of a HostCall's memory, of which there are 64 MiB.
const (
	hostScratch = 64 << 10
	hostLists   = 128 << 10
	hostX       = 1 << 20
	hostY       = 12 << 20
	hostOut     = 24 << 20
	hostMore    = 36 << 20
	hostRoom    = 44 << 20
	hostPages   = 1024
)

// MaxHostCall is the largest size that HostCalls takes.
const MaxHostCall = 1 << 20

// textOfRow is the text of every row of a HostTable.
const textOfRow = "text"

// HostTable makes the table that HostCalls reads, in a folder: numbers, flags and text,
// each row like the others.
func HostTable(dir string, rows int) (*table.File, error) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "x", Type: table.Float64, Nullable: true}, {Name: "n", Type: table.Int64, Nullable: true},
		{Name: "flag", Type: table.Bool, Nullable: true}, {Name: "text", Type: table.String, Nullable: true},
	}, nil)
	w, err := table.Create(dir, schema)
	if err != nil {
		return nil, err
	}
	for left := rows; left > 0 && err == nil; left -= 8192 {
		err = w.Append(hostRows(schema, min(left, 8192)))
	}
	sealed, sealErr := w.Seal()
	if err := errors.Join(err, sealErr); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return table.Open(sealed.Path)
}

func hostRows(schema *arrow.Schema, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for range rows {
		b.Field(0).(*array.Float64Builder).Append(0)
		b.Field(1).(*array.Int64Builder).Append(0)
		b.Field(2).(*array.BooleanBuilder).Append(true)
		b.Field(3).(*array.StringBuilder).Append(textOfRow)
	}
	return b.NewRecordBatch()
}

// Module is a plugin that calls it a number of times. Instead of it, another function
// without arguments that returns a number may be called.
func (c HostCall) Module(f Function, times int32, instead *Function) Module {
	call := Code(c.Args, Call(0), repeat(len(f.Results), Drop))
	if instead != nil {
		call, f = Code(c.Args, repeat(len(f.Params), Drop), Call(0), Drop), *instead
	}
	return Module{
		Imports: []Function{f}, Pages: hostPages, Locals: 2,
		Run: Code(c.Setup, countdown(times, call), I32Const(0)),
	}
}

// OwnCode is a plugin that calls nothing: it adds, multiplies, loads and stores.
func OwnCode(times int32) Module {
	add := Code(I32Const(4096), I32Const(4096), []byte{0x28, 2, 0}, localGet1, []byte{0x6a}, I32Const(3), []byte{0x6c, 0x36, 2, 0})
	return Module{Locals: 1, Run: Code(countdown(times, repeat(4, add)), I32Const(0))}
}

// countdown does something n times. The first local variable counts from n down to 1.
func countdown(n int32, code ...[]byte) []byte {
	return Code(I32Const(n), localSet1, []byte{0x03, 0x40}, Code(code...),
		localGet1, I32Const(1), []byte{0x6b}, localTee1, []byte{0x0d, 0, 0x0b})
}

var localGet1, localSet1, localTee1 = []byte{0x20, 1}, []byte{0x21, 1}, []byte{0x22, 1}

// fill sets bytes of memory.
func fill(at, value, n int32) []byte {
	return Code(I32Const(at), I32Const(value), I32Const(n), []byte{0xfc, 11, 0})
}

// put writes a text to memory.
func put(at int32, text string) (code []byte) {
	for i := range len(text) {
		code = append(code, Code(I32Const(at+int32(i)), I32Const(int32(text[i])), []byte{0x3a, 0, 0})...)
	}
	return code
}

// vectorIn describes a vector in memory: 0 of floats, 1 of integers.
func vectorIn(at, kind, address, rows int32) []byte { return vector(at, -1, kind, address, rows) }

// vectorOf describes rows of a column of input 0.
func vectorOf(at, column, rows int32) []byte { return vector(at, 0, column, 0, rows) }

// vector writes an abi.Vector.
func vector(at, input, column, from, rows int32) (code []byte) {
	for i, field := range []int32{input, column, from, 0, rows, 0, 0, 0} {
		code = append(code, Store(at+4*int32(i), field)...)
	}
	return code
}

// lists puts n buffers of a number of bytes each into a list.
func lists(n, bytes int32) (code []byte) {
	for i := range n {
		code = append(code, Code(Store(hostLists+8*i, hostX), Store(hostLists+8*i+4, bytes))...)
	}
	return code
}

// HostCalls returns calls of every function that does more than answer, with n bytes, n
// rows, or count pieces. The job that makes them has a HostTable of n rows at least as
// its input, and its limits are wide.
func HostCalls(n, count int32, in *table.File) []HostCall {
	v, w := int32(hostScratch), int32(hostScratch+32)
	rows, batches := int(n), in.BatchOf(int64(n)-1)+1
	texts := int(in.FirstRow(batches)) // rows of text in those
	schema := `[`
	for i := range count {
		if i > 0 {
			schema += ","
		}
		schema += `{"name":"` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `","type":"int64"}`
	}
	schema += `]`
	on := func(setup []byte, name string, elements, vectors int, args ...int32) []HostCall {
		return []HostCall{
			{Name: name, Case: "memory", Setup: Code(vectorIn(v, 0, hostX, n), vectorIn(w, 0, hostY, n), setup), Args: Push(args...), Units: map[string]int{"element": elements * rows}},
			{Name: name, Case: "column", Setup: Code(vectorOf(v, 0, n), vectorOf(w, 0, n), setup), Args: Push(args...), Units: map[string]int{"element": elements * rows, "record batch": vectors * batches}},
		}
	}
	each := n / 8 / count // rows of an output table
	info := fmt.Sprintf(`{"params":{},"seed":0,"inputs":[{"name":"data","rows":%d,"bytes":%d,"batches":%d,"columns":[`+
		`{"name":"x","type":"float64"},{"name":"n","type":"int64"},{"name":"flag","type":"bool"},{"name":"text","type":"string"}]}],"file":{"bytes":0}}`,
		in.Rows(), in.Size(), in.NumBatches())
	all := []HostCall{
		{Name: "call_info", Args: Push(hostX, n), Once: true, Units: map[string]int{"byte of text checked": len("xnflagtext"), "byte of JSON made": len(info), "byte copied": len(info)}},
		{Name: "result_write", Setup: fill(hostX, '1', n), Args: Push(hostX, n),
			Units: map[string]int{"byte of JSON read": rows, "byte of text checked": rows, "byte copied": rows}},
		{Name: "artifact_write", Setup: put(hostScratch, "a"), Args: Push(hostScratch, 1, hostScratch, 1, hostX, n), Once: true,
			Units: map[string]int{"byte of text checked": 2, "byte put on disk": rows}},
		{Name: "progress", Setup: fill(hostX, 'a', min(n, 65536)), Args: Code(F64Const(0.5), Push(hostX, min(n, 65536))), Units: map[string]int{"byte of text checked": int(min(n, 65536))}},
		{Name: "log", Args: Push(hostX, n), Units: map[string]int{"byte copied": rows}},
		{Name: "fail", Args: Push(hostX, n), Units: map[string]int{"byte of text made printable": int(min(n, 4096))}},
		{Name: "random_get", Args: Push(hostX, n), Units: map[string]int{"random byte": rows}},
		{Name: "poll_oneoff", Args: Push(hostX, hostOut, count, hostScratch), Units: map[string]int{"buffer": int(count)}},
		{Name: "fd_write", Case: "long", Setup: lists(1, n), Args: Push(1, hostLists, 1, hostScratch), Units: map[string]int{"buffer": 1, "byte copied": rows}},
		{Name: "fd_write", Case: "many", Setup: lists(count, 8), Args: Push(2, hostLists, count, hostScratch), Units: map[string]int{"buffer": int(count), "byte copied": 8 * int(count)}},
		{Name: "fd_read", Setup: lists(count, 0), Args: Push(0, hostLists, count, hostScratch), Units: map[string]int{"buffer": int(count)}},
		{Name: "args_get", Args: Push(hostX, hostY), Units: map[string]int{}},
		{Name: "args_sizes_get", Args: Push(hostX, hostY), Units: map[string]int{}},
		{Name: "environ_get", Args: Push(hostX, hostY), Units: map[string]int{}},
		{Name: "environ_sizes_get", Args: Push(hostX, hostY), Units: map[string]int{}},

		{Name: "column_read", Case: "numbers", Args: Code(Push(0, 0), I64Const(0), I64Const(int64(n)), Push(1, hostX, 8*n)),
			Units: map[string]int{"record batch": 2 * batches, "byte copied": 8 * rows}},
		{Name: "column_read", Case: "validity", Args: Code(Push(0, 0), I64Const(0), I64Const(int64(n)), Push(0, hostX, 8*n)),
			Units: map[string]int{"record batch": 2 * batches, "row": rows}},
		{Name: "column_read", Case: "text", Args: Code(Push(0, 3), I64Const(0), I64Const(int64(n)), Push(1, hostX, int32(len(textOfRow))*n)),
			Units: map[string]int{"record batch": 2 * batches, "row of text in a batch": texts, "byte copied": len(textOfRow) * rows}},
		{Name: "column_read", Case: "offsets", Args: Code(Push(0, 3), I64Const(0), I64Const(int64(n)), Push(2, hostX, 4*n+4)),
			Units: map[string]int{"record batch": 2 * batches, "row of text in a batch": texts, "row": rows}},
		{Name: "column_read", Case: "no_room", Args: Code(Push(0, 0), I64Const(0), I64Const(int64(n)), Push(1, hostX, 0)),
			Units: map[string]int{"record batch": batches}},
		{Name: "input_layout", Case: "room", Args: Push(0, 0, hostX, 4096), Units: map[string]int{"column described": 4}},
		{Name: "input_layout", Case: "no_room", Args: Push(0, 0, hostX, 0)},
		{Name: "input_map", Case: "few", Args: Code(Push(0), I64Const(0), I64Const(int64(min(n, 4000))), Push(hostX, 1<<20)), Units: map[string]int{"byte copied": int(min(n, 4000))}},
		{Name: "input_map", Case: "many", Args: Code(Push(0), I64Const(0), I64Const(int64(8*n)), Push(hostX, 10<<20))},
		{Name: "file_read", Args: Code(I64Const(0), Push(hostX, n)), Units: map[string]int{}},
		{Name: "table_append", Setup: Code(put(hostScratch, "t"), put(hostLists, schema), appended(count, each)),
			Args: Code(Push(hostScratch, 1, hostLists, int32(len(schema))), I64Const(int64(each)), Push(hostLists+64<<10)),
			Units: map[string]int{"byte of text checked": 1 + len(schema), "column described": int(count), "byte of JSON read": len(schema) - 2,
				"byte copied": int(count * each * 8), "column written": int(count) * (1 + int(count*each*8)>>20), "byte written": int(count * each * 8)}},

		{Name: "vector_rolling", Args: Push(n, hostX, n, hostOut, hostMore, hostRoom), Units: map[string]int{"element": 4*rows + 2}},
		{Name: "vector_elementwise", Args: Push(4, n, hostX, hostY, hostOut), Units: map[string]int{"element": rows}},
		{Name: "vector_quantiles", Setup: vectorIn(v, 0, hostX, n), Args: Push(v, n, hostOut, hostMore, hostRoom), Units: map[string]int{"element": 5 * rows}},
		{Name: "vector_group", Case: "memory", Setup: Code(vectorIn(v, 1, hostX, n), vectorIn(w, 0, hostY, n)),
			Args: Code(Push(v), I64Const(0), Push(w, n, hostOut, hostMore, hostRoom)), Units: map[string]int{"element": 5 * rows}},
		{Name: "vector_histogram", Case: "memory", Setup: vectorIn(v, 0, hostX, n),
			Args: Code(Push(v), F64Const(0), F64Const(1), Push(n, hostOut)), Units: map[string]int{"element": 2 * rows}},
		{Name: "text_distinct", Args: Push(0, 3, n, hostX, hostY, hostOut, hostMore),
			Units: map[string]int{"record batch": in.NumBatches(), "row of text in a batch": int(in.Rows()), "element": 2*rows + int(in.Rows())}},
	}
	for _, calls := range [][]HostCall{
		on(nil, "vector_floats", 1, 1, v, hostOut), on(nil, "vector_sum", 1, 1, v, hostOut), on(nil, "vector_variance", 2, 2, v, 1, hostOut),
		on(nil, "vector_minmax", 1, 1, v, hostOut), on(nil, "vector_dot", 1, 2, v, w, hostOut), on(nil, "vector_linreg", 2, 4, v, w, hostOut),
		on(nil, "vector_sort", 4, 1, v, hostOut), on(nil, "vector_argsort", 3, 1, v, hostOut, hostRoom), on(nil, "vector_cumsum", 1, 1, v, hostOut),
	} {
		all = append(all, calls...)
	}
	return all
}

// WorstHostCalls returns calls whose data make the host work most for what they cost:
// values in no order, where the order matters, and as many places as there can be.
func WorstHostCalls(n int32) []HostCall {
	v, w := int32(hostScratch), int32(hostScratch+32)
	floats := Code(scramble(hostX, n, 0x000f_ffff, 0x3ff0_0000), vectorIn(v, 0, hostX, n), vectorIn(w, 0, hostX, n))
	keys := Code(scramble(hostX, n, 0, 0), vectorIn(v, 1, hostX, n), vectorIn(w, 0, hostY, n))
	return []HostCall{
		{Name: "vector_sort", Case: "random", Setup: floats, Args: Push(v, hostOut)},
		{Name: "vector_argsort", Case: "random", Setup: floats, Args: Push(v, hostOut, hostRoom)},
		{Name: "vector_quantiles", Case: "random", Setup: Code(floats, fill(hostMore, 0, 8*n)), Args: Push(v, n, hostMore, hostOut, hostRoom)},
		{Name: "vector_histogram", Case: "random", Setup: floats, Args: Code(Push(v), F64Const(1), F64Const(2), Push(n, hostOut))},
		{Name: "vector_group", Case: "random", Setup: keys, Args: Code(Push(v), I64Const(0), Push(w, n, hostOut, hostMore, hostRoom))},
		{Name: "vector_rolling", Case: "window_1", Setup: floats, Args: Push(n, hostX, 1, hostOut, hostMore, hostRoom)},
		{Name: "vector_elementwise", Case: "ratio", Setup: floats, Args: Push(3, n, hostX, hostX, hostOut)},
		{Name: "vector_cumsum", Case: "random", Setup: floats, Args: Push(v, hostOut)},
	}
}

// scramble fills memory with n numbers of 64 bits in no order: below, random bits that
// are less than n, a power of two; above, others under a mask, with bits that are set.
// It uses the second local variable, and the first as its counter.
func scramble(at, n, mask, set int32) []byte {
	next := Code([]byte{0x20, 2}, I32Const(1_664_525), []byte{0x6c}, I32Const(1_013_904_223), []byte{0x6a, 0x22, 2}) // a step, which is left
	bits := Code(next, I32Const(8), []byte{0x76})                                                                    // the lowest say little
	address := Code(localGet1, I32Const(8), []byte{0x6c}, I32Const(at-8), []byte{0x6a})
	return countdown(n,
		address, bits, I32Const(n-1), []byte{0x71, 0x36, 2, 0},
		address, bits, I32Const(mask), []byte{0x71}, I32Const(set), []byte{0x72, 0x36, 2, 4})
}

// appended puts the buffers of a batch of integers into memory.
func appended(columns, rows int32) (code []byte) {
	for i := range columns {
		at := int32(hostLists+64<<10) + 24*i
		code = append(code, Code(Store(at, 0), Store(at+4, 0), Store(at+8, hostX), Store(at+12, 8*rows), Store(at+16, 0), Store(at+20, 0))...)
	}
	return code
}
