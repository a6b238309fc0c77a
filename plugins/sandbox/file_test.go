package sandbox

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/abi"
	"thresher/plugins/hostile"
)

// importer is a plugin whose routine reads its file once, at an offset, and has how many
// bytes it got as its status less what they should be: 0 where that is so.
func importer(offset int64, buffer, room int32, want int64) hostile.Module {
	return hostile.Module{
		Manifest: strings.Replace(hostile.Manifest("importer"), `"title":""`, `"title":"","outputs":[{"name":"data"}]`, 1),
		Imports:  []hostile.Function{imported(abi.Module, "file_read", hostFunctions["file_read"])},
		Run: hostile.Code(hostile.I64Const(offset), hostile.I32Const(buffer), hostile.I32Const(room), hostile.Call(0),
			hostile.I64Const(want), []byte{0x52}), // i64.ne
	}
}

func TestAnImporterReadsItsFileAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		module hostile.Module
		file   *work.File
		code   string
	}{
		"from_the_start":       {importer(0, 4096, 5, 5), &work.File{ReaderAt: strings.NewReader("hello world"), Bytes: 11}, ""},
		"to_the_end":           {importer(6, 4096, 100, 5), &work.File{ReaderAt: strings.NewReader("hello world"), Bytes: 11}, ""},
		"behind_it":            {importer(1<<62, 4096, 100, 0), &work.File{ReaderAt: strings.NewReader("hello"), Bytes: 5}, ""},
		"nothing":              {importer(0, 0, 0, 0), &work.File{ReaderAt: strings.NewReader("hello"), Bytes: 5}, ""},
		"no_file":              {importer(0, 4096, 5, abi.NotFound), nil, ""},
		"before_the_beginning": {importer(-1, 4096, 5, 0), &work.File{ReaderAt: strings.NewReader("hello"), Bytes: 5}, "abi_violation"},
		"outside_the_memory":   {importer(0, 65_530, 10, 0), &work.File{ReaderAt: strings.NewReader("hello"), Bytes: 5}, "abi_violation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, digest := forge(t, c.module)
			call, _ := forgedCall(t, digest)
			call.Kind, call.File = routine.Importer, c.file
			_, err := h.Run(t.Context(), call)
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, c.code, failure(t, err).Code)
		})
	}
}

// A disk that fails is not the plugin's fault.
func TestAFileThatCannotBeReadIsTheHostsFault(t *testing.T) {
	t.Parallel()
	h, digest := forge(t, importer(0, 4096, 5, 5))
	call, _ := forgedCall(t, digest)
	broken := errors.New("the disk is gone")
	call.Kind, call.File = routine.Importer, &work.File{ReaderAt: readerAt{iotest.ErrReader(broken)}, Bytes: 5}
	_, err := h.Run(t.Context(), call)
	assert.ErrorIs(t, err, broken)
}

type readerAt struct {
	from interface{ Read([]byte) (int, error) }
}

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.from.Read(p) }

func TestWhatImportersDeclareIsChecked(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close(context.Background())) })
	for declared, says := range map[string]string{
		``: "0 inputs and 0 outputs", `"inputs":[{"name":"a"}],"outputs":[{"name":"b"}]`: "an importer reads a file",
	} {
		manifest := hostile.Manifest("importer")
		if declared != "" {
			manifest = strings.Replace(manifest, `"title":""`, `"title":"",`+declared, 1)
		}
		_, err := h.Load(t.Context(), hostile.Module{Manifest: manifest}.Encode(), false)
		var refused *Refusal
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "manifest_invalid", refused.Code)
		assert.Contains(t, refused.Detail, says)
	}
	_, err = h.Load(t.Context(), hostile.Module{Manifest: strings.Replace(hostile.Manifest("analysis"), `"title":""`,
		`"title":"","examples":[{"name":"a","file":"x","result":1}]`, 1)}.Encode(), false)
	assert.ErrorContains(t, err, "only an importer reads one")
}
