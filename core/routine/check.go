package routine

import "fmt"

// Check reports why a table with these columns and rows cannot be the input, or
// nil if it can.
func (in Input) Check(columns []Column, rows int64) error {
	have := make(map[string]string, len(columns))
	for _, c := range columns {
		have[c.Name] = c.Type
	}
	for _, want := range in.Columns {
		got, ok := have[want.Name]
		if !ok {
			return fmt.Errorf("the table has no column %q", want.Name)
		}
		if !fits(got, want.Type) {
			return fmt.Errorf("column %q is %s, want %s", want.Name, got, want.Type)
		}
	}
	if rows < in.MinRows {
		return fmt.Errorf("the table has %d rows, want at least %d", rows, in.MinRows)
	}
	return nil
}

func fits(got, want string) bool {
	switch want {
	case "", got:
		return true
	case "number", "float64": // a whole column of integers is a fine column of floats
		return got == "int64" || got == "float64"
	}
	return false
}

// Find returns the routine of that name.
func (m Manifest) Find(name string) (Routine, bool) {
	for _, r := range m.Routines {
		if r.Name == name {
			return r, true
		}
	}
	return Routine{}, false
}
