package table

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
)

// maxRow is the most bytes that one row may take: readers hold a row in memory.
const maxRow = 16 << 20

// guarded reads a spooled file for a parser: it ends with its context, refuses a
// row that does not end, and turns offsets into lines.
type guarded struct {
	ctx      context.Context
	pause    func(bytes int) error
	file     *os.File
	buffer   *bufio.Reader
	skipped  int64 // bytes of a byte order mark
	offset   int64 // read so far
	rowStart int64
}

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

func newGuarded(ctx context.Context, file *os.File, pause func(bytes int) error) (*guarded, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	g := &guarded{ctx: ctx, pause: pause, file: file, buffer: bufio.NewReaderSize(file, 1<<16)}
	if start, _ := g.buffer.Peek(len(byteOrderMark)); bytes.Equal(start, byteOrderMark) {
		n, err := g.buffer.Discard(len(byteOrderMark))
		g.skipped = int64(n)
		return g, err
	}
	return g, nil
}

// Read implements io.Reader.
func (g *guarded) Read(p []byte) (int, error) {
	if g.ctx.Err() != nil {
		return 0, context.Cause(g.ctx)
	}
	if g.offset-g.rowStart > maxRow {
		return 0, g.at(g.rowStart, fmt.Sprintf("a row of more than %d MiB starts here", maxRow>>20))
	}
	if err := g.pause(len(p)); err != nil {
		return 0, err
	}
	n, err := g.buffer.Read(p)
	g.offset += int64(n)
	return n, err
}

// row says that a row starts at an offset.
func (g *guarded) row(offset int64) { g.rowStart = offset }

// peekByte returns the first byte that is not white space. Call it before reading.
func (g *guarded) peekByte() (byte, error) {
	for n := 1; ; n++ {
		start, err := g.buffer.Peek(n)
		if len(start) < n {
			switch err {
			case io.EOF:
				return 0, &ImportError{Line: 1, Column: 1, Message: "the file is empty"}
			case bufio.ErrBufferFull:
				return 0, &ImportError{Line: 1, Column: 1, Message: fmt.Sprintf("the file starts with more than %d KiB of white space", n>>10)}
			}
			return 0, err
		}
		if c := start[n-1]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, nil
		}
	}
}

// section reads the file again, from an offset of the parser's.
func (g *guarded) section(offset, n int64) *io.SectionReader {
	return io.NewSectionReader(g.file, g.skipped+offset, n)
}

// at returns an error at an offset: it counts the lines before it.
func (g *guarded) at(offset int64, message string) error {
	before := g.section(0, offset)
	line, column := int64(1), int64(1)
	buf := make([]byte, 1<<16)
	for {
		n, err := before.Read(buf)
		if last := bytes.LastIndexByte(buf[:n], '\n'); last >= 0 {
			line += int64(bytes.Count(buf[:n], []byte{'\n'}))
			column = int64(n - last)
		} else {
			column += int64(n)
		}
		if err != nil {
			return &ImportError{Line: line, Column: column, Message: message}
		}
	}
}
