package problem

import (
	"errors"

	"thresher/core/table"
)

// addPlace says where a table is wrong.
func addPlace(p *Problem, err error) {
	var imported *table.ImportError
	if errors.As(err, &imported) {
		p.Detail = imported.Error()
		p.Line, p.Column = imported.Line, imported.Column
	}
}
