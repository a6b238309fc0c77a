package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	sdk "thresher/plugins/sdk/go"
)

// maxLine is the most bytes of a line: a file without any would take all memory.
const maxLine = 1 << 20

// lines are those of a file that are not empty, and their numbers.
type lines struct {
	from   *bufio.Reader
	number int64 // of the last one
	read   int64 // bytes
}

func newLines(r io.Reader) *lines { return &lines{from: bufio.NewReaderSize(r, maxLine)} }

var byteOrderMark = []byte("\xef\xbb\xbf")

// next returns a line without its end, until the next call. The error is io.EOF behind
// the last.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.from.ReadSlice('\n')
		l.number++
		l.read += int64(len(line))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, sdk.At(l.number, 1, "the line has more than %d bytes: is this a file of text, with a line for each row?", maxLine)
		case err != nil && len(line) == 0:
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if l.number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if len(line) > 0 {
			return line, l.check(line)
		}
	}
}

// check refuses what is no text.
func (l *lines) check(line []byte) error {
	if utf8.Valid(line) {
		return nil
	}
	for at := int64(1); ; at++ {
		r, n := utf8.DecodeRune(line)
		if r == utf8.RuneError && n == 1 {
			return sdk.At(l.number, at, "found the byte 0x%02x, which is no UTF-8: save the file as UTF-8", line[0])
		}
		line = line[n:]
	}
}
