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
	c := newChecker()
	c.work = maxWork(len(data))
	if err := c.footer(footer); err != nil {
		return err
	}
	return c.blocks(footer, data)
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

// checker holds what messages must agree with: the schema.
type checker struct {
	text    int64 // bytes that the schema's texts may still take
	columns int
	views   int            // columns that are views
	viewed  map[int64]bool // dictionaries of views, by id
	work    int64          // bytes that the batches of a file may still have
}

func newChecker() *checker { return &checker{text: maxSchemaText, viewed: map[int64]bool{}} }

func (c *checker) footer(footer flatbuffers.Table) error {
	schema, ok := child(footer, 6)
	if !ok {
		return errors.New("there is no schema")
	}
	if err := c.schema(schema); err != nil {
		return err
	}
	for _, slot := range []flatbuffers.VOffsetT{8, 10} { // dictionaries, record batches
		if _, err := vector(footer, slot, 24); err != nil {
			return err
		}
	}
	return c.metadata(footer, 12)
}

// blocks checks the messages that the footer of a file refers to.
func (c *checker) blocks(footer flatbuffers.Table, data []byte) error {
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
			if err := c.message(meta); err != nil {
				return err
			}
			if err := c.counts(meta, footer.GetInt64(at+16)); err != nil {
				return err
			}
		}
	}
	return nil
}

// counts counts what reading a batch of a file takes, as the footer and the message have
// it.
func (c *checker) counts(meta []byte, body int64) error {
	stated, err := bodyLength(meta)
	if err != nil {
		return err
	}
	if stated < 0 || body < 0 {
		return fmt.Errorf("malformed metadata: a batch of %d bytes", min(stated, body))
	}
	if c.work -= int64(len(meta)) + max(stated, body); c.work < 0 {
		return fmt.Errorf("its batches have more bytes, all together, than %d times those of the file: the footer names the same bytes again and again", maxGrowth)
	}
	return nil
}

// message checks the metadata of one message of a stream or file.
func (c *checker) message(meta []byte) (err error) {
	defer recoverMalformed(&err)
	if len(meta) < 8 {
		return errors.New("a message is cut short")
	}
	message := rootTable(meta)
	if err := c.metadata(message, 12); err != nil {
		return err
	}
	kind := message.GetByteSlot(6, 0)
	header, ok := child(message, 8)
	switch {
	case !ok:
		return errors.New("a message has no header")
	case kind == headerSchema && c.columns > 0:
		return errors.New("a second schema")
	case kind == headerSchema:
		return c.schema(header)
	case kind == headerDictionary:
		values, ok := child(header, 6)
		if !ok {
			return errors.New("a dictionary has no values")
		}
		views := 0
		if c.viewed[header.GetInt64Slot(4, 0)] {
			views = 1
		}
		return checkBatch(values, 1, views)
	case kind == headerRecordBatch:
		return checkBatch(header, c.columns, c.views)
	}
	return fmt.Errorf("a message of the unknown kind %d", kind)
}

func recoverMalformed(err *error) {
	if r := recover(); r != nil { // an offset that points out of the buffer
		*err = fmt.Errorf("malformed metadata: %v", r)
	}
}

// checkBatch checks a batch of that many columns, of which that many are views.
// Arrow's reader takes from these lists without a look at their length.
func checkBatch(batch flatbuffers.Table, columns, views int) error {
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
	if n := nodes.len(16); n != columns {
		return fmt.Errorf("a batch of %d columns where the schema has %d", n, columns)
	}
	for at := nodes.start; at < nodes.end; at += 16 {
		if n := batch.GetInt64(at); n < 0 || n > maxArrowBatch {
			return fmt.Errorf("a column of %d values in a batch: the limit is %d", n, maxArrowBatch)
		}
	}
	counts, err := vector(batch, 12, 8) // of the buffers of views
	if err != nil {
		return err
	}
	if n := counts.len(8); n < views {
		return fmt.Errorf("the buffers of %d columns, of %d", n, views)
	}
	buffers, _ := vector(batch, 8, 16)
	for at := counts.start; at < counts.end; at += 8 {
		if n := batch.GetInt64(at); n < 0 || n > int64(buffers.len(16)) {
			return fmt.Errorf("a column of %d buffers in a batch of %d", n, buffers.len(16))
		}
	}
	return nil
}

func (c *checker) schema(schema flatbuffers.Table) error {
	if err := c.metadata(schema, 8); err != nil {
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
	c.columns, c.views = fields.len(4), 0
	for at := fields.start; at < fields.end; at += 4 {
		field := flatbuffers.Table{Bytes: schema.Bytes, Pos: schema.Indirect(at)}
		if err := c.field(field); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) field(field flatbuffers.Table) error {
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
	case typeNull, typeInt, typeFloat, typeUtf8, typeBool, typeDecimal, typeDate, typeLargeUtf8:
	case typeUtf8View:
		if dictionary, ok := child(field, 12); ok {
			c.viewed[dictionary.GetInt64Slot(4, 0)] = true
		} else {
			c.views++
		}
	default:
		return fmt.Errorf("column %.40q has a type (Arrow's number %d) that tables cannot keep", name, kind)
	}
	return c.metadata(field, 16)
}

// maxZone bounds the name of a time zone, in bytes.
const maxZone = 128

// metadata checks a list of keys and values, and counts their bytes.
func (c *checker) metadata(t flatbuffers.Table, slot flatbuffers.VOffsetT) error {
	list, err := vector(t, slot, 4)
	if err != nil {
		return err
	}
	for at := list.start; at < list.end; at += 4 {
		pair := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at)}
		if c.text -= int64(len(bytesOf(pair, 4)) + len(bytesOf(pair, 6))); c.text < 0 {
			return fmt.Errorf("more than %d MiB of metadata", maxSchemaText>>20)
		}
	}
	return nil
}

// checkStream checks the metadata of every message.
func checkStream(data []byte) error {
	c := newChecker()
	for len(data) > 0 {
		meta, rest, err := cutMessage(data)
		if err != nil || meta == nil {
			return err
		}
		if err := c.message(meta); err != nil {
			return err
		}
		body, err := bodyLength(meta)
		if err != nil {
			return err
		}
		if body < 0 || body > int64(len(rest)) {
			return errors.New("the file is cut short")
		}
		data = rest[body:]
	}
	return nil
}
