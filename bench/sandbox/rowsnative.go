package main

import (
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"thresher/core/stats/kernel"
	"thresher/core/table"
	"thresher/plugins/builtin/agentfarm/population"
	"thresher/plugins/builtin/tabular/describe"
	"thresher/plugins/sdk/go/vector"
)

// column is a column of a table where it is in memory.
func column(f *table.File, name string) (vector.Numbers, error) {
	number := f.Schema().FieldIndices(name)[0]
	var floats kernel.Vector[float64]
	var ints kernel.Vector[int64]
	err := f.Range(0, f.Rows(), func(b arrow.RecordBatch) error {
		b.Retain() // it is read as long as the file is open
		var validity []byte
		if b.Column(number).NullN() > 0 {
			validity = b.Column(number).NullBitmapBytes()
		}
		offset := b.Column(number).Data().Offset()
		switch c := b.Column(number).(type) {
		case *array.Float64:
			floats = append(floats, kernel.Piece[float64]{Values: c.Float64Values(), Validity: validity, Offset: offset})
		case *array.Int64:
			ints = append(ints, kernel.Piece[int64]{Values: c.Int64Values(), Validity: validity, Offset: offset})
		default:
			return fmt.Errorf("column %s is %s", name, c.DataType())
		}
		return nil
	})
	if ints != nil {
		return vector.Pieces(ints), err
	}
	return vector.Pieces(floats), err
}

// describeNatively is what tabular/describe does, but for its charts.
func describeNatively(f *table.File) (any, error) {
	var columns []describe.Column
	for _, c := range f.Info().Columns {
		d := describe.Column{Name: c.Name, Type: c.Type}
		switch c.Type {
		case "int64", "float64":
			v, err := column(f, c.Name)
			if err != nil {
				return nil, err
			}
			var sorted []float64
			d.Numbers, sorted, d.Distinct = describe.OfNumbers(v)
			d.Count = len(sorted)
		case "string":
			d.Top, d.Count, d.Distinct = describe.OfTexts(texts(f, c.Name))
		}
		d.Nulls = int(f.Rows()) - d.Count
		d.Top = d.Top[:min(len(d.Top), 5)]
		columns = append(columns, d)
	}
	return map[string]any{"rows": f.Rows(), "columns": columns}, nil
}

// texts are the arguments of describe.OfTexts.
func texts(f *table.File, name string) (vector.Texts, int, func([]uint32) iter.Seq2[int, []byte]) {
	number := f.Schema().FieldIndices(name)[0]
	var text kernel.Text
	_ = f.Range(0, f.Rows(), func(b arrow.RecordBatch) error { // of what was imported
		b.Retain()
		c := b.Column(number).(*array.String)
		p := kernel.TextPiece{Offsets: c.ValueOffsets(), Bytes: c.Data().Buffers()[2].Bytes(), Validity: c.NullBitmapBytes(), Offset: c.Data().Offset()}
		text = append(text, p)
		return nil
	})
	return vector.TextPieces(text), 20, func(rows []uint32) iter.Seq2[int, []byte] {
		return func(yield func(int, []byte) bool) {
			first, rest := 0, text
			for i, row := range rows {
				for int(row) >= first+rest[0].Rows() {
					first, rest = first+rest[0].Rows(), rest[1:]
				}
				offsets := rest[0].Offsets[int(row)-first:]
				if !yield(i, rest[0].Bytes[offsets[0]:offsets[1]]) {
					return
				}
			}
		}
	}
}

// populationNatively is what agentfarm/population does, but for its charts.
func populationNatively(f *table.File) (any, error) {
	var s population.Steps
	v := map[string]vector.Numbers{}
	for _, c := range f.Info().Columns {
		var err error
		if v[c.Name], err = column(f, c.Name); err != nil {
			return nil, err
		}
	}
	s.Step, s.Births, s.Deaths = v["step"], v["births"], v["deaths"]
	s.Total = make([]float64, f.Rows())
	vector.Floats(v["total_agents"], 0, s.Total)
	for _, name := range kinds {
		s.Types = append(s.Types, population.Type{Name: name, Alive: v[name]})
	}
	return map[string]any{
		"population_statistics": population.Statistics(s),
		"birth_death_rates":     population.BirthDeathRates(s),
		"population_stability":  population.Stability(s, population.DefaultStabilityWindow),
		"growth_rate_analysis":  population.Growth(s, population.DefaultGrowthWindow),
		"demographic_metrics":   population.Demography(s),
	}, nil
}
