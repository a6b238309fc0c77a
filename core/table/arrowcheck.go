package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// Arrow's metadata is a FlatBuffer, in which a few bytes can claim a list of
// billions or fields nested a thousand deep, each twice the same. Arrow's reader
// believes them and allocates before it looks, which no recover can undo. So we
// look first: these checks follow the same offsets, with limits.

var errNested = errors.New("nested columns are not supported")

// Within one schema, all names, keys and values together take this many bytes at
// most: each of them can be the same long text.
const maxSchemaText = 64 << 20

// maxMetadata bounds a message's metadata, in bytes: 4096 columns with long names
// take less than half.
const maxMetadata = 16 << 20

// checkFile checks all metadata of a file that is in memory or mapped.
func checkFile(data []byte) (err error) {
	defer recoverMalformed(&err)
	footer, err := footerOf(data)
	if err != nil {
		return err
	}
	if err := checkFooter(footer); err != nil {
		return err
	}
	return checkBlocks(footer, data)
}

// checkSealed checks a file that claims to be sealed: it has what we write, and
// nothing that a reader would have to change in the mapping, which cannot be
// written to.
func checkSealed(data []byte) (err error) {
	defer recoverMalformed(&err)
	if err := checkFile(data); err != nil {
		return err
	}
	footer, err := footerOf(data)
	if err != nil {
		return err
	}
	schema, _ := child(footer, 6)
	dictionaries, _ := vector(footer, 8, 24)
	if schema.GetInt16Slot(4, 0) != 0 || dictionaries.len(24) > 0 {
		return errors.New("not as tables are sealed: big endian, or with dictionaries")
	}
	blocks, _ := vector(footer, 10, 24)
	for at := blocks.start; at < blocks.end; at += 24 {
		meta, _, err := cutMessage(data[footer.GetInt64(at):])
		if err != nil {
			return err
		}
		if batch, ok := child(rootTable(meta), 8); !ok || batch.Offset(10) != 0 {
			return errors.New("not as tables are sealed: compressed")
		}
	}
	return nil
}

func footerOf(data []byte) (footer flatbuffers.Table, err error) {
	tail := len(ipc.Magic) + 4
	if len(data) < 8+tail || !bytes.HasPrefix(data, ipc.Magic) || !bytes.HasSuffix(data, ipc.Magic) {
		return footer, errors.New("the file is cut short")
	}
	size := int64(binary.LittleEndian.Uint32(data[len(data)-tail:]))
	start := int64(len(data)-tail) - size
	if size < 8 || start < 8 {
		return footer, errors.New("the footer is cut short")
	}
	return rootTable(data[start : start+size]), nil
}

func checkFooter(footer flatbuffers.Table) error {
	text := int64(maxSchemaText)
	schema, ok := child(footer, 6)
	if !ok {
		return errors.New("there is no schema")
	}
	if err := checkFields(schema, &text); err != nil {
		return err
	}
	for _, slot := range []flatbuffers.VOffsetT{8, 10} { // dictionaries, record batches
		if _, err := vector(footer, slot, 24); err != nil {
			return err
		}
	}
	return checkMetadata(footer, 12, &text)
}

// checkBlocks checks the messages that the footer of a file refers to.
func checkBlocks(footer flatbuffers.Table, data []byte) error {
	for _, slot := range []flatbuffers.VOffsetT{8, 10} { // dictionaries, record batches
		blocks, err := vector(footer, slot, 24)
		if err != nil {
			return err
		}
		for at := blocks.start; at < blocks.end; at += 24 {
			offset := footer.GetInt64(at)
			if offset < 8 || offset > int64(len(data)) {
				return fmt.Errorf("malformed metadata: a batch at byte %d of %d", offset, len(data))
			}
			meta, _, err := cutMessage(data[offset:])
			if err != nil {
				return err
			}
			if meta == nil {
				return errors.New("malformed metadata: a batch without any")
			}
			if err := checkMessage(meta); err != nil {
				return err
			}
		}
	}
	return nil
}

// bodyLength returns how many bytes follow a message's metadata.
func bodyLength(meta []byte) (n int64, err error) {
	defer recoverMalformed(&err)
	message := rootTable(meta)
	return message.GetInt64Slot(10, 0), nil
}

// checkMessage checks the metadata of one message of a stream or file.
func checkMessage(meta []byte) (err error) {
	defer recoverMalformed(&err)
	if len(meta) < 8 {
		return errors.New("a message is cut short")
	}
	message, text := rootTable(meta), int64(maxSchemaText)
	if err := checkMetadata(message, 12, &text); err != nil {
		return err
	}
	kind := message.GetByteSlot(6, 0)
	header, ok := child(message, 8)
	switch {
	case !ok:
		return errors.New("a message has no header")
	case kind == headerSchema:
		return checkFields(header, &text)
	case kind == headerDictionary:
		if header, ok = child(header, 6); !ok {
			return errors.New("a dictionary has no values")
		}
		return checkBatch(header)
	case kind == headerRecordBatch:
		return checkBatch(header)
	}
	return fmt.Errorf("a message of the unknown kind %d", kind)
}

func recoverMalformed(err *error) {
	if r := recover(); r != nil { // an offset that points out of the buffer
		*err = fmt.Errorf("malformed metadata: %v", r)
	}
}

func checkBatch(batch flatbuffers.Table) error {
	rows := batch.GetInt64Slot(4, 0)
	if rows < 0 || rows > maxArrowBatch {
		return fmt.Errorf("a batch of %d rows: the limit is %d", rows, maxArrowBatch)
	}
	for _, slot := range []flatbuffers.VOffsetT{6, 8} { // nodes, buffers
		if _, err := vector(batch, slot, 16); err != nil {
			return err
		}
	}
	nodes, _ := vector(batch, 6, 16)
	for at := nodes.start; at < nodes.end; at += 16 {
		if n := batch.GetInt64(at); n < 0 || n > maxArrowBatch {
			return fmt.Errorf("a column of %d values in a batch: the limit is %d", n, maxArrowBatch)
		}
	}
	counts, err := vector(batch, 12, 8) // of the buffers of views
	if err != nil {
		return err
	}
	buffers, _ := vector(batch, 8, 16)
	for at := counts.start; at < counts.end; at += 8 {
		if n := batch.GetInt64(at); n < 0 || n > int64(buffers.len(16)) {
			return fmt.Errorf("a column of %d buffers in a batch of %d", n, buffers.len(16))
		}
	}
	return nil
}

func checkFields(schema flatbuffers.Table, text *int64) error {
	if err := checkMetadata(schema, 8, text); err != nil {
		return err
	}
	if _, err := vector(schema, 10, 8); err != nil { // features
		return err
	}
	fields, err := vector(schema, 6, 4)
	if err != nil {
		return err
	}
	if n := fields.len(4); n > MaxColumns {
		return fmt.Errorf("%d columns: the limit is %d", n, MaxColumns)
	}
	for at := fields.start; at < fields.end; at += 4 {
		field := flatbuffers.Table{Bytes: schema.Bytes, Pos: schema.Indirect(at)}
		if err := checkField(field, text); err != nil {
			return err
		}
	}
	return nil
}

func checkField(field flatbuffers.Table, text *int64) error {
	name := bytesOf(field, 4)
	if len(name) > maxNameLength {
		return fmt.Errorf("column name %.40q: want 1 to %d bytes", name, maxNameLength)
	}
	children, err := vector(field, 14, 4)
	if err != nil {
		return err
	}
	if children.len(4) > 0 {
		return fmt.Errorf("column %.40q: %w", name, errNested)
	}
	switch kind := field.GetByteSlot(8, 0); kind {
	case typeTimestamp:
		if t, ok := child(field, 10); ok && len(bytesOf(t, 6)) > maxZone {
			return fmt.Errorf("column %.40q: a time zone of %d bytes", name, len(bytesOf(t, 6)))
		}
	case typeNull, typeInt, typeFloat, typeUtf8, typeBool, typeDecimal, typeDate, typeLargeUtf8, typeUtf8View:
	default:
		return fmt.Errorf("column %.40q has a type (Arrow's number %d) that tables cannot keep", name, kind)
	}
	return checkMetadata(field, 16, text)
}

// maxZone bounds the name of a time zone, in bytes.
const maxZone = 128

// bytesOf returns the text in a slot.
func bytesOf(t flatbuffers.Table, slot flatbuffers.VOffsetT) []byte {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return nil
	}
	return t.ByteVector(o + t.Pos)
}

// checkMetadata checks a list of keys and values, and takes their bytes off text.
func checkMetadata(t flatbuffers.Table, slot flatbuffers.VOffsetT, text *int64) error {
	list, err := vector(t, slot, 4)
	if err != nil {
		return err
	}
	for at := list.start; at < list.end; at += 4 {
		pair := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at)}
		if *text -= int64(len(bytesOf(pair, 4)) + len(bytesOf(pair, 6))); *text < 0 {
			return fmt.Errorf("more than %d MiB of metadata", maxSchemaText>>20)
		}
	}
	return nil
}

func rootTable(buf []byte) flatbuffers.Table {
	return flatbuffers.Table{Bytes: buf, Pos: flatbuffers.GetUOffsetT(buf)}
}

// child returns the table that a slot refers to.
func child(t flatbuffers.Table, slot flatbuffers.VOffsetT) (flatbuffers.Table, bool) {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return flatbuffers.Table{}, false
	}
	return flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o + t.Pos)}, true
}

// span is where a vector's elements are.
type span struct{ start, end flatbuffers.UOffsetT }

func (s span) len(size flatbuffers.UOffsetT) int { return int((s.end - s.start) / size) }

// vector returns the elements of a slot, or an error if they cannot all be there.
func vector(t flatbuffers.Table, slot flatbuffers.VOffsetT, size int64) (span, error) {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return span{}, nil
	}
	n := int64(t.VectorLen(o))
	start := t.Vector(o)
	if n < 0 || n*size > int64(len(t.Bytes))-int64(start) {
		return span{}, fmt.Errorf("malformed metadata: a list of %d in %d bytes", n, len(t.Bytes))
	}
	return span{start, start + flatbuffers.UOffsetT(n*size)}, nil
}
