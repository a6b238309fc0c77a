package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/minio/highwayhash"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leftFolder is a folder as a crash leaves it: three records, and the index that
// JetStream wrote when there were none.
type leftFolder struct {
	dir, block string
	data       []byte // of the block
	last       int    // where its last record begins
}

func newLeftFolder(t *testing.T) leftFolder {
	t.Helper()
	dir := t.TempDir()
	l, _ := open(t, dir, byText)
	require.NoError(t, l.Close(t.Context()))
	msgs := filepath.Join(l.streamFolder("notes"), "msgs")
	index, err := os.ReadFile(filepath.Join(msgs, "index.db"))
	require.NoError(t, err)

	f := leftFolder{dir: dir, block: filepath.Join(msgs, "1.blk")}
	l, s := open(t, dir, byText)
	for i := range 3 {
		info, err := os.Stat(f.block)
		require.NoError(t, err)
		f.last = int(info.Size())
		_, err = s.Create(t.Context(), fmt.Sprint(i), note{"some text", i})
		require.NoError(t, err)
	}
	require.NoError(t, l.Close(t.Context()))
	require.NoError(t, os.WriteFile(filepath.Join(msgs, "index.db"), index, 0o600))
	f.data, err = os.ReadFile(f.block)
	require.NoError(t, err)
	return f
}

// recover starts on a block, and returns how many records there are.
func (f leftFolder) recover(t *testing.T, block []byte) (records int, err error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(f.dir)))
	path, err := filepath.Rel(f.dir, f.block)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, path), block, 0o600))
	l, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		return 0, err
	}
	defer func() { assert.NoError(t, l.Close(t.Context())) }()
	s, err := OpenStore(t.Context(), l, "notes", byText)
	if err != nil {
		return 0, err
	}
	_, err = s.Create(t.Context(), "another", note{"can be written", 1})
	return count(t, s, "") - 1, err
}

// JetStream alone takes such a stream for empty if there are eight zeros or more.
func TestZerosAfterTheLastRecordLoseNothing(t *testing.T) {
	t.Parallel()
	f := newLeftFolder(t)
	for _, zeros := range []int{0, 1, 7, 8, 9, 100, 4096, 100_000} {
		got, err := f.recover(t, append(bytes.Clone(f.data), make([]byte, zeros)...))
		require.NoError(t, err, "%d zeros", zeros)
		assert.Equal(t, 3, got, "%d zeros", zeros)
	}
}

func TestAWriteThatIsThereInPartIsDropped(t *testing.T) {
	t.Parallel()
	f := newLeftFolder(t)
	for at := f.last + 1; at < len(f.data)-blockHash/2; at += 17 {
		got, err := f.recover(t, f.data[:at])
		require.NoError(t, err, "cut short at %d", at)
		assert.Equal(t, 2, got, "cut short at %d", at)

		zeroed := bytes.Clone(f.data)
		clear(zeroed[at:])
		got, err = f.recover(t, zeroed)
		require.NoError(t, err, "zeros from %d", at)
		assert.Equal(t, 2, got, "zeros from %d", at)
	}
	hole := bytes.Clone(f.data)
	clear(hole[f.last+50 : f.last+90])
	got, err := f.recover(t, hole)
	require.NoError(t, err)
	assert.Equal(t, 2, got, "a sector of the last record was not written")
}

// JetStream alone cuts the block off there, and says nothing.
func TestDamageIsNotTakenForAWriteThatWasCutShort(t *testing.T) {
	t.Parallel()
	f := newLeftFolder(t)
	for at := 0; at < len(f.data); at += 11 {
		damaged := bytes.Clone(f.data)
		damaged[at] ^= 2
		_, err := f.recover(t, damaged)
		require.ErrorIs(t, err, ErrCorrupt, "byte %d of %d", at, len(f.data))
	}
	for at := f.last; at < f.last+4; at++ {
		damaged := bytes.Clone(f.data)
		damaged[at] ^= 0x40
		_, err := f.recover(t, damaged)
		require.ErrorIs(t, err, ErrCorrupt, "the last record is whole, but for byte %d of its length", at-f.last)
	}
	for _, at := range []int{50, f.last - 100} {
		hole := bytes.Clone(f.data)
		clear(hole[at : at+40])
		_, err := f.recover(t, hole)
		assert.ErrorIs(t, err, ErrCorrupt, "a sector at %d is gone, of a record that was acknowledged before the next was written", at)
	}
}

// A batch is one write: where its first record is not whole, nobody was told of the
// others. A write before it was acknowledged.
func TestABatchThatWasCutShortIsToldFromAWriteBeforeIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, s := open(t, dir, byText)
	block := filepath.Join(l.streamFolder("notes"), "msgs", "1.blk")
	size := func() int {
		info, err := os.Stat(block)
		require.NoError(t, err)
		return int(info.Size())
	}
	batched := func() {
		round := make([]*write[note], batchFrom)
		for i := range round {
			value := note{"in a batch", i}
			round[i] = &write[note]{key: fmt.Sprint("b", size(), "-", i), value: &value, data: marshal(value), done: make(chan struct{})}
		}
		require.True(t, s.publishBatch(round))
	}
	_, err := s.Create(t.Context(), "alone", note{"x", 1})
	require.NoError(t, err)
	first := size()
	batched()
	second := size()
	batched()
	require.NoError(t, l.Close(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(block), "index.db")))
	f := leftFolder{dir: dir, block: block}
	f.data, err = os.ReadFile(block)
	require.NoError(t, err)

	hole := func(at int) (int, error) {
		damaged := bytes.Clone(f.data)
		clear(damaged[at : at+40])
		return f.recover(t, damaged)
	}
	records, err := hole(second + 60)
	require.NoError(t, err)
	assert.Equal(t, 1+batchFrom, records, "the first record of the last batch")
	for name, at := range map[string]int{"the last record of the batch before": second - 60, "its first": first + 60, "the lone write": first - 60} {
		_, err := hole(at)
		assert.ErrorIs(t, err, ErrCorrupt, name)
	}
}

func TestWhatASectorHasOfARecordMayBeAFewBytes(t *testing.T) {
	t.Parallel()
	f := newLeftFolder(t)
	hash, err := highwayhash.NewDigest64(make([]byte, highwayhash.Size))
	require.NoError(t, err)
	record := f.data[f.last:]
	for _, few := range []int{1, 2, 3, 4, 7} {
		begins := append(bytes.Repeat([]byte{1}, sectorSize-few), record...)
		assert.False(t, torn(begins, sectorSize-few, hash))
		clear(begins[sectorSize-few : sectorSize])
		assert.True(t, torn(begins, sectorSize-few, hash), "its first %d bytes", few)

		before := 2*sectorSize - (len(record)-few)%sectorSize
		ends := append(bytes.Repeat([]byte{1}, before), record...)
		assert.False(t, torn(ends, before, hash))
		clear(ends[len(ends)-few:])
		assert.True(t, torn(ends, before, hash), "its last %d bytes", few)
	}
}

func TestAfterACleanEndNothingIsDropped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, s := open(t, dir, byText)
	_, err := s.Create(t.Context(), "a", note{"x", 1})
	require.NoError(t, err)
	require.NoError(t, l.Close(t.Context()))
	block := filepath.Join(l.streamFolder("notes"), "msgs", "1.blk")
	data, err := os.ReadFile(block)
	require.NoError(t, err)
	clear(data[30:60])
	require.NoError(t, os.WriteFile(block, data, 0o600))
	_, err = Open(t.Context(), Config{Dir: dir})
	var d *damage
	require.True(t, errors.As(err, &d), "%v", err)
	assert.Equal(t, block, d.block)
}

func TestABatchThatWasCutShortMayEndInAnotherBlock(t *testing.T) {
	t.Parallel()
	one, other, none := writes{"a": false}, writes{"b": false}, writes{}
	torn := func(all, after writes) blockReport {
		return blockReport{damage: &damage{}, torn: true, all: all, after: after}
	}
	whole := func(all writes) blockReport { return blockReport{all: all, after: none} }
	for name, c := range map[string]struct {
		reports []blockReport
		want    bool
	}{
		"nothing after it":                 {[]blockReport{torn(other, none)}, true},
		"the rest of it in the same block": {[]blockReport{torn(other, writes{"a": false})}, true},
		"the rest of it in the next":       {[]blockReport{torn(other, none), whole(one)}, true},
		"in both":                          {[]blockReport{torn(other, writes{"a": false}), whole(one)}, true},
		"the next was cut short as well":   {[]blockReport{torn(other, none), torn(one, none)}, true},
		"the next is empty":                {[]blockReport{torn(other, none), whole(none)}, true},
		"another write in the same block":  {[]blockReport{torn(other, writes{"a": false, "b": false})}, false},
		"the beginning of another":         {[]blockReport{torn(other, writes{"a": true})}, false},
		"that in the next":                 {[]blockReport{torn(other, none), whole(writes{"a": true})}, false},
		"another write in the next":        {[]blockReport{torn(other, writes{"a": false}), whole(other)}, false},
		"damage that no cut leaves":        {[]blockReport{{damage: &damage{}, all: one, after: none}}, false},
		"such damage in the next":          {[]blockReport{torn(one, none), {damage: &damage{}, all: none, after: none}}, false},
	} {
		assert.Equal(t, c.want, lastWrite(c.reports), name)
	}
}

func TestWhatIsNotJetStreamsIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newLeftFolder(t)
	stream := filepath.Dir(filepath.Dir(f.block))
	for _, path := range []string{
		filepath.Join(filepath.Dir(stream), "a file"),
		filepath.Join(filepath.Dir(f.block), "1.blk.tmp"),
		filepath.Join(filepath.Dir(f.block), "a.blk"),
		filepath.Join(stream, "a file"),
	} {
		require.NoError(t, os.WriteFile(path, []byte("of no interest"), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(filepath.Dir(stream), "an empty folder"), 0o700))
	got, err := f.recover(t, f.data)
	require.NoError(t, err)
	assert.Equal(t, 3, got)
}

func TestTheBlocksAfterACutGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var blocks []block
	for i := range 3 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i, ".blk")))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString("0123456789")
		require.NoError(t, err)
		blocks = append(blocks, block{file: f})
	}
	require.NoError(t, cutOff(blocks[1:], 4))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	kept, err := os.ReadFile(blocks[1].file.Name())
	require.NoError(t, err)
	assert.Equal(t, "0123", string(kept))
}
