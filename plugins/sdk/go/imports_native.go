//go:build !wasip1

package sdk

// Outside the sandbox there is no host: plugins compile, so that their own code
// can be tested, and what needs the host says so.

const noHost = "sdk: this needs the host: build with GOOS=wasip1 GOARCH=wasm"

func columnRead(int32, int32, int64, int64, int32, []byte) int64 { panic(noHost) }
func logText([]byte)                                             { panic(noHost) }
func progress(float64, []byte)                                   { panic(noHost) }
func artifactWrite(_, _, _ []byte)                               { panic(noHost) }
func tableAppend(_, _ []byte, _ int64, columns []*columnBuffer)  { panic(noHost) }
