package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// cutMessage returns the metadata of the first message and what follows it, or no
// metadata at the end of the stream.
func cutMessage(data []byte) (meta, rest []byte, err error) {
	if bytes.HasPrefix(data, continuation) {
		data = data[4:]
	} // else: written before Arrow 0.15
	if len(data) < 4 {
		return nil, nil, errors.New("the file is cut short")
	}
	size := int64(binary.LittleEndian.Uint32(data))
	switch {
	case size == 0:
		return nil, nil, nil
	case size > maxMetadata || size > int64(len(data)-4):
		return nil, nil, fmt.Errorf("a message with %d bytes of metadata, which are not there or too many", size)
	}
	return data[4 : 4+size], data[4+size:], nil
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

// bytesOf returns the text in a slot.
func bytesOf(t flatbuffers.Table, slot flatbuffers.VOffsetT) []byte {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return nil
	}
	return t.ByteVector(o + t.Pos)
}

// bodyLength returns how many bytes follow a message's metadata.
func bodyLength(meta []byte) (n int64, err error) {
	defer recoverMalformed(&err)
	message := rootTable(meta)
	return message.GetInt64Slot(10, 0), nil
}
