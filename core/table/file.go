package table

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"golang.org/x/sys/unix"
)

// File is a sealed table, mapped into memory. Its methods may be called
// concurrently, except Close.
type File struct {
	path   string
	file   *os.File
	data   []byte // the mapping
	reader *ipc.FileReader
	kept   []atomic.Pointer[arrow.RecordBatch] // decoded, until the file is closed; empty if they would be many
	loads  atomic.Int64                        // how often a batch was decoded
	*surveyed
}

// surveyed is what is found when a file is opened for the first time. All that open the
// same file can share it.
type surveyed struct {
	starts []int64       // first row of each batch, and behind them the number of rows
	texts  []int         // how many of the columns before each are text
	sound  []atomic.Bool // batches whose text was checked
	info   Info
}

// ErrMalformed is returned for a file that is not a sealed table.
var ErrMalformed = errors.New("not a table file")

// Open maps a sealed table.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	return OpenFile(file)
}

// OpenFile maps a sealed table whose file is open. It takes the file over, also where
// it returns an error.
func OpenFile(file *os.File) (f *File, err error) { return openFile(file, nil) }

// openFile is OpenFile for a file that was opened before, unless known is nil.
func openFile(file *os.File, known *surveyed) (f *File, err error) {
	data, err := mapFile(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f = &File{path: file.Name(), file: file, data: data, surveyed: known}
	before := debug.SetPanicOnFault(true) // as catchFault does
	defer func() {
		debug.SetPanicOnFault(before)
		// The Arrow reader panics on some malformed files.
		if r := recover(); r != nil {
			err = fmt.Errorf("open table: %w: %v", ErrMalformed, r)
		}
		if err != nil {
			err = errors.Join(err, unix.Munmap(data), file.Close())
			f = nil
		}
	}()
	if known == nil {
		if err := checkSealed(data); err != nil {
			return f, fmt.Errorf("open table: %w: %w", ErrMalformed, err)
		}
	}
	// A mapping is as large as the file: its batches need no other limit.
	if f.reader, err = ipc.NewMappedFileReader(data, ipc.WithBodySizeLimit(0)); err != nil {
		return f, fmt.Errorf("open table: %w: %w", ErrMalformed, err)
	}
	if err := CheckSchema(f.reader.Schema()); err != nil {
		return f, fmt.Errorf("open table: %w: %w", ErrMalformed, err)
	}
	if f.reader.NumRecords()*f.Schema().NumFields() <= keptColumns {
		f.kept = make([]atomic.Pointer[arrow.RecordBatch], f.reader.NumRecords())
	}
	if known == nil {
		return f, f.survey()
	}
	return f, nil
}

func mapFile(file *os.File) (data []byte, err error) {
	stat, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	if stat.Size() == 0 {
		return nil, fmt.Errorf("open table: %w: it is empty", ErrMalformed)
	}
	data, err = unix.Mmap(int(file.Fd()), 0, int(stat.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map table: %w", err)
	}
	return data, nil
}

// survey reads every batch's header: how many rows, how many nulls.
func (f *File) survey() error {
	f.surveyed = &surveyed{
		info:  Info{Columns: columnsOf(f.reader.Schema())},
		texts: textsBefore(f.reader.Schema()),
		sound: make([]atomic.Bool, f.reader.NumRecords()),
	}
	for i := range f.reader.NumRecords() {
		batch, err := f.load(i)
		if err != nil {
			return err
		}
		f.starts = append(f.starts, f.info.Rows)
		f.info.Rows += batch.NumRows()
		for c, col := range batch.Columns() {
			f.info.Columns[c].Nulls += int64(col.NullN())
		}
		batch.Release()
	}
	f.starts = append(f.starts, f.info.Rows)
	return nil
}

// Path returns where the file was when it was opened.
func (f *File) Path() string { return f.path }

// Schema returns the columns.
func (f *File) Schema() *arrow.Schema { return f.reader.Schema() }

// Rows returns the number of rows.
func (f *File) Rows() int64 { return f.info.Rows }

// Info describes the table.
func (f *File) Info() Info { return f.info }

// NumBatches returns the number of record batches.
func (f *File) NumBatches() int { return f.reader.NumRecords() }

// Batch returns a record batch, which the caller releases before it closes the
// file: its columns are the mapping, not a copy.
func (f *File) Batch(i int) (arrow.RecordBatch, error) {
	if f.kept != nil {
		if kept := f.kept[i].Load(); kept != nil {
			(*kept).Retain()
			return *kept, nil
		}
	}
	batch, err := f.load(i)
	if err != nil {
		return nil, err
	}
	if !f.sound[i].Load() {
		// Once is enough, and not when the file is opened: it reads what it checks.
		if err := checkText(batch); err != nil {
			batch.Release()
			return nil, fmt.Errorf("read table: %w: batch %d: %w", ErrMalformed, i, err)
		}
		f.sound[i].Store(true)
	}
	f.keep(i, batch)
	return batch, nil
}

// keptColumns is of how many columns, in all batches together, a file keeps where they
// are: some hundred bytes each. Finding that out takes longer than reading a few rows.
const keptColumns = 1 << 14

func (f *File) keep(i int, batch arrow.RecordBatch) {
	if f.kept == nil {
		return
	}
	batch.Retain()
	if !f.kept[i].CompareAndSwap(nil, &batch) { // another call was sooner
		batch.Release()
	}
}

func (f *File) load(i int) (batch arrow.RecordBatch, err error) {
	f.loads.Add(1)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read table: %w: batch %d: %v", ErrMalformed, i, r)
		}
	}()
	batch, err = f.reader.RecordBatchAt(i)
	if err != nil {
		return nil, fmt.Errorf("read table: %w: %w", ErrMalformed, err)
	}
	if err := array.ValidateRecord(batch); err != nil {
		return nil, fmt.Errorf("read table: %w: batch %d: %w", ErrMalformed, i, err)
	}
	return batch, nil
}

// checkText makes sure that no cell of text reaches out of its column: Arrow looks
// at the last offset only.
func checkText(batch arrow.RecordBatch) error {
	for i, col := range batch.Columns() {
		if runsBackwards(col) {
			return fmt.Errorf("column %q: text runs backwards", batch.ColumnName(i))
		}
	}
	return nil
}

func runsBackwards(col arrow.Array) bool {
	text, ok := col.(*array.String)
	if !ok || text.Len() == 0 {
		return false
	}
	offsets := text.ValueOffsets()
	return offsets[0] < 0 || !slices.IsSorted(offsets)
}

// Range implements [Ranger].
func (f *File) Range(from, to int64, fn func(arrow.RecordBatch) error) (err error) {
	defer catchFault(&err)()
	from, to = clip(from, to, f.info.Rows)
	next := func(i int) bool { return f.starts[i+1] > from }
	for i := sort.Search(f.NumBatches(), next); i < f.NumBatches() && f.starts[i] < to; i++ {
		first := f.starts[i]
		batch, err := f.Batch(i)
		if err != nil {
			return err
		}
		err = slice(batch, from-first, to-first, fn)
		batch.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// slice calls fn with the rows of a batch that lie in a range around it.
func slice(batch arrow.RecordBatch, from, to int64, fn func(arrow.RecordBatch) error) error {
	from, to = clip(from, to, batch.NumRows())
	if from == to {
		return nil
	}
	part := batch.NewSlice(from, to)
	defer part.Release()
	return fn(part)
}

// Close unmaps the file. Nothing read from it may be used afterwards.
func (f *File) Close() error {
	for i := range f.kept {
		if kept := f.kept[i].Swap(nil); kept != nil {
			(*kept).Release()
		}
	}
	return errors.Join(f.reader.Close(), unix.Munmap(f.data), f.file.Close())
}
