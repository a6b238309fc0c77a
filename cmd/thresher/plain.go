package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// plainOn returns a file as it is, unless it is a terminal: what plugins wrote into
// logs, tables and results must not move its cursor, or worse.
func plainOn(f *os.File) io.Writer {
	if !term.IsTerminal(int(f.Fd())) {
		return f
	}
	return &plain{out: f}
}

// plain replaces control characters, other than ends of lines and tabs, by
// question marks.
type plain struct {
	out  io.Writer
	last byte
}

func (p *plain) Write(text []byte) (int, error) {
	shown := make([]byte, len(text))
	for i, b := range text {
		shown[i] = b
		control := b < 0x20 && b != '\n' && b != '\t' || b == 0x7f
		if control || p.last == 0xc2 && b >= 0x80 && b < 0xa0 { // U+0080 to U+009F, in UTF-8
			shown[i] = '?'
		}
		p.last = b
	}
	return p.out.Write(shown)
}
