package sandbox

import (
	"cmp"
	"context"
	"slices"

	"thresher/plugins/abi"
)

// Every function that guests import has its row in this file: what a call costs, in gas,
// and what bounds it. A guest pays before the host works, out of the slice that it has,
// as it pays for its own instructions; work that may be long is paid part by part, so
// that it meets a safepoint as often as the guest's own code does. docs/sandbox.md shows
// the table. Tests compare it with the functions and the docs; bench/hostcalls measures how
// much of the host's time a unit of gas pays for in each function.

// rate is what a kind of work costs: so much gas for so many units.
type rate struct {
	gas, per uint64
	unit     string
}

func (r rate) of(n int) uint64 { return (uint64(n)*r.gas + r.per - 1) / r.per }

// work pays for n units of the host's work.
func (k *call) work(ctx context.Context, r rate, n int) { k.pay(ctx, r.of(n)) }

// The kinds of work.
var (
	copied         = rate{1, 8, "byte copied"}
	checked        = rate{1, 1, "byte of text checked"}
	escaped        = rate{16, 1, "byte of text made printable"}
	parsed         = rate{8, 1, "byte of JSON read"}
	made           = rate{32, 1, "byte of JSON made"}
	drawn          = rate{1, 1, "random byte"}
	spooled        = rate{2, 1, "byte put on disk"}
	tableRead      = rate{8, 1, "byte of a table read"}
	inputMade      = rate{8, 1, "byte of a table written as text"}
	buffers        = rate{96, 1, "buffer"}
	rowsRead       = rate{4, 1, "row"}
	batchesRead    = rate{2048, 1, "record batch"}
	offsetsRead    = rate{2, 1, "row of text in a batch"}
	columnsRead    = rate{1024, 1, "column described"}
	columnsWritten = rate{4096, 1, "column written"}
	bytesWritten   = rate{2, 1, "byte written"}
)

// elements is the rate of a kernel, for each element that it passes over.
func elements(gas uint64) rate { return rate{gas, 1, "element"} }

// price is a row of the table.
type price struct {
	call  uint64 // of each call, whatever comes of it
	rates []rate // of what it does beside; of a kernel its elements come first
	bound string
}

// prices is the table, by the names of functions.
var prices = withTrivial(map[string]price{
	"call_info":      {8192, []rate{checked, made, copied}, "the JSON is made once a job, when it is first asked for"},
	"column_read":    {512, []rate{batchesRead, offsetsRead, rowsRead, copied}, "the rows asked for, and the room"},
	"input_layout":   {512, []rate{columnsRead}, "4096 columns"},
	"input_map":      {8192, []rate{copied}, "256 mappings a job; what is beyond them, or is less than a page, is copied"},
	"file_read":      {1024, []rate{copied}, "the room"},
	"result_write":   {512, []rate{parsed, checked, copied}, "16 MiB"},
	"table_append":   {4096, []rate{columnsRead, parsed, checked, copied, rowsRead, columnsWritten, bytesWritten}, "16 MiB; 4096 columns; 1 MiB of names"},
	"artifact_write": {500_000, []rate{checked, spooled}, "the output limit, and that of artifacts"},
	"progress":       {2048, []rate{checked}, "a message of 64 KiB"},
	"log":            {1024, []rate{copied}, "what is beyond the log's limit is dropped"},
	"fail":           {512, []rate{escaped}, "the first 4096 bytes"},

	"vector_floats":      {1024, []rate{elements(2), batchesRead}, "the rows of its vectors"},
	"vector_sum":         {1024, []rate{elements(2), batchesRead}, "the rows of its vectors"},
	"vector_variance":    {1024, []rate{elements(2), batchesRead}, "the rows of its vectors"},
	"vector_minmax":      {1024, []rate{elements(2), batchesRead}, "the rows of its vectors"},
	"vector_dot":         {1024, []rate{elements(4), batchesRead}, "the rows of its vectors"},
	"vector_histogram":   {1024, []rate{elements(12), batchesRead}, "the rows of its vectors"},
	"vector_sort":        {1024, []rate{elements(4), batchesRead}, "the rows of its vectors"},
	"vector_argsort":     {1024, []rate{elements(4), batchesRead}, "the rows of its vectors"},
	"vector_quantiles":   {1024, []rate{elements(6), batchesRead}, "the rows of its vectors"},
	"vector_cumsum":      {1024, []rate{elements(6), batchesRead}, "the rows of its vectors"},
	"vector_group":       {1024, []rate{elements(16), batchesRead}, "the rows of its vectors"},
	"vector_linreg":      {2048, []rate{elements(4), batchesRead}, "the rows of its vectors"},
	"vector_rolling":     {1024, []rate{elements(12)}, "the rows of its vectors"},
	"vector_elementwise": {1024, []rate{elements(6)}, "the rows of its vectors"},
	"text_distinct":      {1024, []rate{elements(24), batchesRead, offsetsRead}, "the rows of its vectors"},

	"args_get":          {256, []rate{buffers, copied}, "1 MiB of arguments"},
	"args_sizes_get":    {256, []rate{buffers}, "1 MiB of arguments"},
	"environ_get":       {256, []rate{buffers, copied}, "the params"},
	"environ_sizes_get": {256, []rate{buffers}, "two"},
	"random_get":        {512, []rate{drawn}, "the buffer"},
	"poll_oneoff":       {256, []rate{buffers}, "1024 subscriptions"},
	"fd_write":          {1024, []rate{buffers, copied}, "1024 buffers; the log's limit, or the output limit"},
	"proc_exit":         {100_000, nil, "once: the guest's stack is taken down"},
	"fd_read":           {1024, []rate{buffers, inputMade}, "1 MiB a call"},
})

// trivial are the functions that answer at once.
var trivial = []string{
	"clock_res_get", "clock_time_get", "sched_yield", "proc_raise",
	"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_fdstat_set_rights", "fd_prestat_get", "fd_prestat_dir_name",
	"fd_seek", "fd_tell", "fd_advise", "fd_allocate", "fd_datasync", "fd_sync", "fd_filestat_get", "fd_filestat_set_size",
	"fd_filestat_set_times", "fd_pread", "fd_pwrite", "fd_readdir", "fd_renumber",
	"path_create_directory", "path_filestat_get", "path_filestat_set_times", "path_link", "path_open", "path_readlink",
	"path_remove_directory", "path_rename", "path_symlink", "path_unlink_file",
	"sock_accept", "sock_recv", "sock_send", "sock_shutdown",
}

// imports are the functions that guests may import, by module and name.
var imports = map[string]map[string]hostFunction{abi.Module: hostFunctions, wasiModule: wasiFunctions}

// Import is a function that guests may import.
type Import struct {
	Module, Name    string
	Params, Results []byte // types, as modules have them
}

// Imports lists all of them, by module and name.
func Imports() (all []Import) {
	for module, functions := range imports {
		for name, f := range functions {
			all = append(all, Import{module, name, slices.Clone(f.params), slices.Clone(f.results)})
		}
	}
	slices.SortFunc(all, func(a, b Import) int { return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.Name, b.Name)) })
	return all
}

func withTrivial(prices map[string]price) map[string]price {
	for _, name := range trivial {
		prices[name] = price{call: 256, bound: "answers at once"}
	}
	return prices
}
