package table

import (
	"fmt"
	"path"
	"strings"
)

// Format is how a table is written outside.
type Format string

// The formats.
const (
	CSV    Format = "csv"    // header line, comma, RFC 4180 quotes
	JSON   Format = "json"   // an array of objects
	NDJSON Format = "ndjson" // an object a line
	Arrow  Format = "arrow"  // IPC, file or stream
)

// Formats lists them.
var Formats = []Format{CSV, JSON, NDJSON, Arrow}

// FormatOf tells the format from a media type, or from the end of a file's name.
func FormatOf(name, mediaType string) (Format, error) {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	switch strings.TrimSpace(strings.ToLower(mediaType)) {
	case "text/csv":
		return CSV, nil
	case "application/json":
		return JSON, nil
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		return NDJSON, nil
	case "application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream":
		return Arrow, nil
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return CSV, nil
	case ".json":
		return JSON, nil
	case ".ndjson", ".jsonl":
		return NDJSON, nil
	case ".arrow", ".arrows", ".feather", ".ipc":
		return Arrow, nil
	}
	told := fmt.Sprintf("name %q", name)
	if mediaType != "" || name == "" {
		told = fmt.Sprintf("media type %q", mediaType)
	}
	return "", fmt.Errorf("unknown format (%s): want csv, json, ndjson or arrow", told)
}
