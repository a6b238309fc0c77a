package ledger

// Faults are where tests break a ledger, to show that what watches over it sees
// that. Nothing else sets them: the linter keeps it so. A field that is nil is no
// fault.
type Faults struct {
	// Fits replaces the question whether a write was decided on the revision that
	// its record is at.
	Fits func(current, expected uint64) bool
	// Read replaces what a reader gets of a record: its result has the type of found.
	Read func(key string, revision uint64, found any) any
	// Send replaces the writing of a round to disk, which send does. next is the
	// revision after it.
	Send func(next uint64, send func() (uint64, error)) (uint64, error)
	// Stored replaces what is written to disk of a record.
	Stored func(kind, key string, record []byte) []byte
}

func (f Faults) stored(kind, key string, record []byte) []byte {
	if f.Stored == nil {
		return record
	}
	return f.Stored(kind, key, record)
}

func (f Faults) fits(current, expected uint64) bool {
	if f.Fits != nil {
		return f.Fits(current, expected)
	}
	return current == expected
}

// readAs returns what a reader gets of a record.
func readAs[T any](f Faults, found Found[T]) Found[T] {
	if f.Read == nil {
		return found
	}
	return f.Read(found.Key, found.Revision, found).(Found[T])
}
