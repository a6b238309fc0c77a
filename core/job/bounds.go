package job

import (
	"fmt"
	"regexp"

	"thresher/core/jsonsize"
)

// Bounds of what a job's record holds. Sizes are in bytes of JSON, as the record is
// stored, unless a comment says otherwise; core/recordbounds.go adds them up.
const (
	MaxParams = 256 << 10 // of the params, with defaults filled in
	MaxResult = 64 << 10  // of a result in the record; a larger one is a blob

	MaxTables     = 64  // output tables, and tables that a routine reads
	MaxOutputName = 128 // bytes of the name of a table or artifact; none is escaped in JSON
	MaxMediaType  = 200 // bytes of an artifact's media type, before it is encoded

	// MaxArtifacts is how many artifacts a job may make whose limits name no number.
	MaxArtifacts = 1024
	// MaxArtifactList is what all entries of artifacts take together: 1024 of them fit
	// with the longest names and media types of 38 bytes.
	MaxArtifactList = 288 << 10

	MaxProgress = 1200 // of the message of a progress report
	MaxCode     = 64   // of an error's code
	MaxTitle    = 256  // of an error's title
	MaxDetail   = 8 << 10
	MaxFrames   = 50  // of an error's stack
	MaxFrame    = 400 // of one of them
)

// Names of tables and artifacts are path segments of the API.
var outputName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// ValidOutputName reports whether a table or artifact can have that name: up to
// MaxOutputName letters, digits, dots, dashes and underscores.
func ValidOutputName(s string) bool { return outputName.MatchString(s) }

// JSONBytes returns what an artifact takes in the list of a record, with its comma.
func (a Artifact) JSONBytes() int {
	return len(`{"name":,"media_type":,"digest":,"bytes":},`) +
		jsonsize.String(a.Name) + jsonsize.String(a.Media) + jsonsize.String(a.Digest) + len(fmt.Sprint(a.Bytes))
}

// bounded is an error that fits into a record: its texts are cut, and the stack keeps
// its innermost frames. A cut is marked.
func (e Error) bounded() *Error {
	e.Code = jsonsize.Cut(e.Code, MaxCode)
	e.Title = jsonsize.Cut(e.Title, MaxTitle)
	e.Detail = jsonsize.Cut(e.Detail, MaxDetail)
	e.Stack = CutStack(e.Stack)
	return &e
}

// CutStack is a stack that fits into a record. What is left out is told by its last line.
func CutStack(stack []string) []string {
	kept := make([]string, 0, min(len(stack), MaxFrames))
	for i, frame := range stack {
		if i == MaxFrames-1 && len(stack) > MaxFrames {
			return append(kept, fmt.Sprintf("%s %d more frames", jsonsize.Mark, len(stack)-i))
		}
		kept = append(kept, jsonsize.Cut(frame, MaxFrame))
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}
