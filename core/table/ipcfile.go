package table

import (
	"encoding/binary"
	"fmt"
	"io"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow"
)

// ipcFile writes the Arrow IPC file format for the six types of tables. Arrow's
// own writer aligns buffers to 8 bytes; here every buffer starts at a multiple of
// 64 in the file, so that a mapping can be used by vector instructions as it is.
// It also writes zeros where a value is null, so that equal tables are equal
// files: digests compare contents, and what a guest left in memory stays out.
type ipcFile struct {
	w      io.Writer
	offset int64
	schema *arrow.Schema
	blocks []block
}

// block says where a record batch is.
type block struct {
	offset   int64
	metadata int32 // bytes, with the prefix and padding
	body     int64 // bytes
	rows     int64
}

func (b block) size() int64 { return int64(b.metadata) + b.body }

const alignment = 64

var zeros [alignment]byte

// From Arrow's Message.fbs, Schema.fbs and File.fbs.
const (
	formatVersion = 4 // V5: since Arrow 1.0

	headerSchema      = 1
	headerDictionary  = 2
	headerRecordBatch = 3
)

var (
	fileMagic    = []byte("ARROW1")
	continuation = []byte{0xFF, 0xFF, 0xFF, 0xFF}
	endOfStream  = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}
)

// newIPCFile writes the head of a file: the magic bytes and the schema.
func newIPCFile(w io.Writer, schema *arrow.Schema) (*ipcFile, error) {
	f := &ipcFile{w: w, schema: schema}
	if err := f.write(append(fileMagic[:6:6], 0, 0)); err != nil {
		return nil, err
	}
	b := flatbuffers.NewBuilder(1024)
	root := buildMessage(b, headerSchema, buildSchema(b, schema), 0)
	b.Finish(root)
	_, err := f.writeMetadata(b.FinishedBytes())
	return f, err
}

func (f *ipcFile) write(p []byte) error {
	n, err := f.w.Write(p)
	f.offset += int64(n)
	return err
}

// writeMetadata writes a message's metadata, padded so that what follows it is
// aligned, and returns the bytes taken.
func (f *ipcFile) writeMetadata(meta []byte) (int32, error) {
	start := f.offset
	size := len(meta) + padding(start+8+int64(len(meta)))
	prefix := binary.LittleEndian.AppendUint32(continuation[:4:4], uint32(size))
	for _, p := range [][]byte{prefix, meta, zeros[:size-len(meta)]} {
		if err := f.write(p); err != nil {
			return 0, err
		}
	}
	return int32(f.offset - start), nil
}

// padding is how many bytes are missing to the next multiple of the alignment.
func padding(n int64) int { return int(-n & (alignment - 1)) }

// append writes a record batch.
func (f *ipcFile) append(body body) error {
	b := flatbuffers.NewBuilder(256 + 32*len(body.buffers))
	root := buildMessage(b, headerRecordBatch, buildRecordBatch(b, body), body.size)
	b.Finish(root)
	at := block{offset: f.offset, body: body.size, rows: body.rows}
	var err error
	if at.metadata, err = f.writeMetadata(b.FinishedBytes()); err != nil {
		return err
	}
	for _, buffer := range body.buffers {
		if err := f.write(buffer); err != nil {
			return err
		}
		if err := f.write(zeros[:padding(int64(len(buffer)))]); err != nil {
			return err
		}
	}
	f.blocks = append(f.blocks, at)
	return nil
}

// close writes the footer.
func (f *ipcFile) close() error {
	if err := f.write(endOfStream); err != nil {
		return err
	}
	b := flatbuffers.NewBuilder(1024 + 24*len(f.blocks))
	schema := buildSchema(b, f.schema)
	none := buildBlocks(b, nil)
	blocks := buildBlocks(b, f.blocks)
	b.StartObject(5)
	b.PrependInt16Slot(0, formatVersion, 0)
	b.PrependUOffsetTSlot(1, schema, 0)
	b.PrependUOffsetTSlot(2, none, 0)
	b.PrependUOffsetTSlot(3, blocks, 0)
	b.Finish(b.EndObject())
	footer := b.FinishedBytes()
	if err := f.write(footer); err != nil {
		return err
	}
	return f.write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), fileMagic...))
}

func buildMessage(b *flatbuffers.Builder, kind byte, header flatbuffers.UOffsetT, body int64) flatbuffers.UOffsetT {
	b.StartObject(5)
	b.PrependInt16Slot(0, formatVersion, 0)
	b.PrependByteSlot(1, kind, 0)
	b.PrependUOffsetTSlot(2, header, 0)
	b.PrependInt64Slot(3, body, 0)
	return b.EndObject()
}

func buildSchema(b *flatbuffers.Builder, schema *arrow.Schema) flatbuffers.UOffsetT {
	fields := make([]flatbuffers.UOffsetT, schema.NumFields())
	for i, f := range schema.Fields() {
		fields[i] = buildField(b, f)
	}
	list := b.CreateVectorOfTables(fields)
	b.StartObject(4)
	b.PrependInt16Slot(0, 0, 0) // little endian
	b.PrependUOffsetTSlot(1, list, 0)
	return b.EndObject()
}

func buildField(b *flatbuffers.Builder, f arrow.Field) flatbuffers.UOffsetT {
	name := b.CreateString(f.Name)
	kind, parameters := buildType(b, f.Type)
	children := b.CreateVectorOfTables(nil)
	b.StartObject(7)
	b.PrependUOffsetTSlot(0, name, 0)
	b.PrependBoolSlot(1, f.Nullable, false)
	b.PrependByteSlot(2, kind, 0)
	b.PrependUOffsetTSlot(3, parameters, 0)
	b.PrependUOffsetTSlot(5, children, 0)
	return b.EndObject()
}

// The kinds of types that imports know, from Schema.fbs.
const (
	typeNull      = 1
	typeInt       = 2
	typeFloat     = 3
	typeUtf8      = 5
	typeBool      = 6
	typeDecimal   = 7
	typeDate      = 8
	typeTimestamp = 10
	typeLargeUtf8 = 20
	typeUtf8View  = 24
)

func buildType(b *flatbuffers.Builder, t arrow.DataType) (kind byte, parameters flatbuffers.UOffsetT) {
	switch t.ID() {
	case arrow.INT64:
		b.StartObject(2)
		b.PrependInt32Slot(0, 64, 0)
		b.PrependBoolSlot(1, true, false) // signed
		kind = typeInt
	case arrow.FLOAT64:
		b.StartObject(1)
		b.PrependInt16Slot(0, 2, 0) // double
		kind = typeFloat
	case arrow.BOOL:
		b.StartObject(0)
		kind = typeBool
	case arrow.DATE32:
		b.StartObject(1)
		b.PrependInt16Slot(0, 0, 1) // days; the default is milliseconds
		kind = typeDate
	case arrow.TIMESTAMP:
		zone := b.CreateString("UTC")
		b.StartObject(2)
		b.PrependInt16Slot(0, 2, 0) // microseconds
		b.PrependUOffsetTSlot(1, zone, 0)
		kind = typeTimestamp
	case arrow.STRING:
		b.StartObject(0)
		kind = typeUtf8
	default: // CheckSchema lets no other through
		panic(fmt.Sprintf("table: a column of type %s", t))
	}
	return kind, b.EndObject()
}

func buildRecordBatch(b *flatbuffers.Builder, body body) flatbuffers.UOffsetT {
	b.StartVector(16, len(body.nulls), 8)
	for i := len(body.nulls) - 1; i >= 0; i-- { // vectors are built from their end
		b.Prep(8, 16)
		b.PrependInt64(body.nulls[i])
		b.PrependInt64(body.rows)
	}
	nodes := b.EndVector(len(body.nulls))
	b.StartVector(16, len(body.buffers), 8)
	end := body.size
	for i := len(body.buffers) - 1; i >= 0; i-- {
		size := int64(len(body.buffers[i]))
		end -= size + int64(padding(size))
		b.Prep(8, 16)
		b.PrependInt64(size)
		b.PrependInt64(end)
	}
	buffers := b.EndVector(len(body.buffers))
	b.StartObject(5)
	b.PrependInt64Slot(0, body.rows, 0)
	b.PrependUOffsetTSlot(1, nodes, 0)
	b.PrependUOffsetTSlot(2, buffers, 0)
	return b.EndObject()
}

func buildBlocks(b *flatbuffers.Builder, blocks []block) flatbuffers.UOffsetT {
	b.StartVector(24, len(blocks), 8)
	for i := len(blocks) - 1; i >= 0; i-- {
		b.Prep(8, 24)
		b.PrependInt64(blocks[i].body)
		b.Pad(4)
		b.PrependInt32(blocks[i].metadata)
		b.PrependInt64(blocks[i].offset)
	}
	return b.EndVector(len(blocks))
}
