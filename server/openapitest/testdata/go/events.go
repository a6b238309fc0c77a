package main

import (
	"bufio"
	"bytes"
	"iter"
	"net/http"
)

// dataOf yields the data of each event of a stream.
func dataOf(stream *http.Response) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		lines := bufio.NewScanner(stream.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok && !yield(data) {
				return
			}
		}
	}
}
