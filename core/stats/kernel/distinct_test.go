package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// pieces makes a column of texts, nil where they are null, cut into pieces of that many
// rows. Each begins within its bytes and within its bitmap.
func pieces(texts []*string, rows int) (t Text) {
	for from := 0; from < len(texts); from += rows {
		p := TextPiece{Bytes: []byte("before"), Offsets: []int32{6}, Offset: from % 11}
		part := texts[from:min(from+rows, len(texts))]
		p.Validity = make([]byte, (p.Offset+len(part)+7)/8)
		for i, text := range part {
			if text != nil {
				p.Bytes = append(p.Bytes, *text...)
				p.Validity[(p.Offset+i)/8] |= 1 << ((p.Offset + i) % 8)
			}
			p.Offsets = append(p.Offsets, int32(len(p.Bytes)))
		}
		t = append(t, p)
	}
	return t
}

func TestDistinctTextsAreCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringN(0, 2, -1), rapid.SampledFrom([]string{"", "a", "eight by", "eight by and more", "eight by and mire"}))
		texts := rapid.SliceOfN(rapid.Ptr(text, true), 0, 100).Draw(t, "texts")
		column := pieces(texts, rapid.IntRange(1, 30).Draw(t, "rows of a piece"))
		first, count, order := map[string]uint32{}, map[string]int64{}, []string{}
		for i, text := range texts {
			if text == nil {
				continue
			}
			if count[*text]++; count[*text] == 1 {
				first[*text], order = uint32(i), append(order, *text)
			}
		}
		room := len(order) + rapid.IntRange(0, 3).Draw(t, "more room")
		rows, counts := make([]uint32, room), make([]int64, room)
		slots := make([]uint32, 2*room)
		for i := range slots {
			slots[i] = ^uint32(0) // what was there does not matter
		}
		n, err := Distinct(column, rows, counts, make([]int64, room), slots, nil)
		if err != nil || n != len(order) {
			t.Fatalf("%d texts, %v; want %d", n, err, len(order))
		}
		for i, text := range order {
			if rows[i] != first[text] || counts[i] != count[text] {
				t.Fatalf("%q: first in row %d and in %d, want %d and %d", text, rows[i], counts[i], first[text], count[text])
			}
		}
		if less := n - 1; n > 0 {
			_, err := Distinct(column, rows[:less], counts[:less], make([]int64, less), slots[:2*less], nil)
			assert.ErrorIs(t, err, ErrRange)
		}
	})
}

func TestDistinctChecksItsRoom(t *testing.T) {
	two, four := make([]int64, 2), make([]uint32, 4)
	for _, err := range []error{
		func() error { _, err := Distinct(nil, four[:2], two[:1], two, four, nil); return err }(),
		func() error { _, err := Distinct(nil, four[:2], two, two[:1], four, nil); return err }(),
		func() error { _, err := Distinct(nil, four[:2], two, two, four[:3], nil); return err }(),
	} {
		assert.ErrorIs(t, err, ErrLengths)
	}
}
