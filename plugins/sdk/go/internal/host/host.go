// Package host is what a routine can reach: the functions of the contract, as Go
// sees them. In the sandbox they are imports; in a plugin's own tests they are what
// package plugintest makes of tables in memory.
package host

// Host is what a routine calls. docs/abi.md says what each function does.
type Host interface {
	ColumnRead(input, column int32, from, rows int64, part int32, into []byte) int64
	InputLayout(input, batch int32, into []byte) int64
	// InputMap returns where in the buffer the bytes are.
	InputMap(input int32, offset, bytes int64, buffer []byte) []byte
	// FileRead returns how many bytes it has put into the buffer, or a negative number
	// where there is no file.
	FileRead(offset int64, into []byte) int64
	ResultWrite(result []byte)
	TableAppend(name, columns []byte, rows int64, parts []Parts)
	ArtifactWrite(name, media, content []byte)
	Progress(fraction float64, message []byte)
	Log(text []byte)
}

// Parts are one column of a batch of rows, in Arrow's layout. No validity means no
// nulls; only text has offsets.
type Parts struct {
	Validity, Values, Offsets []byte
}
