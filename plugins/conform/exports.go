package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"thresher/core/routine"
	"thresher/core/work"
	"thresher/plugins/sandbox"
)

// exports checks what every module exports. That the exports are there and have their
// types is what the sandbox has seen when it loaded the module.
func (s *suite) exports(ctx context.Context) {
	s.row("describes itself the same each time", "", s.describesTheSame(ctx))
	s.row("allocates", "", s.allocates(ctx))
	s.row("knows no other routine", "", s.knowsNoOther(ctx))
}

func (s *suite) describesTheSame(ctx context.Context) error {
	var all [][]byte
	for range 2 { // two instances, twice each
		err := s.drive(ctx, work.Call{Limits: limits}, func(g *sandbox.Guest, _ *notebook) error {
			for range 2 {
				text, err := g.Describe()
				if err != nil {
					return err
				}
				all = append(all, text)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, text := range all[1:] {
		if !bytes.Equal(all[0], text) {
			return fmt.Errorf("the manifest differs: %s, and %s", cut(all[0]), cut(text))
		}
	}
	return nil
}

// allocates takes memory of many sizes, writes all over it, and sees whether it is the
// caller's alone.
func (s *suite) allocates(ctx context.Context) error {
	return s.drive(ctx, work.Call{Limits: limits}, func(g *sandbox.Guest, _ *notebook) error {
		before, err := g.Describe()
		if err != nil {
			return err
		}
		type block struct{ from, to uint64 }
		var taken []block
		for _, n := range []int32{1, 8, 1000, 65536, 1 << 20} {
			at, err := g.Alloc(n)
			if err != nil {
				return fmt.Errorf("of %d bytes: %w", n, err)
			}
			b := block{uint64(at), uint64(at) + uint64(n)}
			if at == 0 || !g.Fill(at, uint32(n), 0xa5) {
				return fmt.Errorf("of %d bytes at %d: not inside the memory of %d bytes", n, at, g.MemoryBytes())
			}
			for _, other := range taken {
				if b.from < other.to && other.from < b.to {
					return fmt.Errorf("of %d bytes at %d: it overlaps what was allocated before, at %d", n, at, other.from)
				}
			}
			taken = append(taken, b)
		}
		after, err := g.Describe()
		if err != nil {
			return err
		}
		if !bytes.Equal(before, after) {
			return errors.New("what was written to allocated memory changed the manifest")
		}
		return nil
	})
}

// knowsNoOther calls routines that are not there.
func (s *suite) knowsNoOther(ctx context.Context) error {
	has := func(k routine.Kind) bool {
		return slices.ContainsFunc(s.plugin.Routines, func(r routine.Routine) bool { return r.Kind == k })
	}
	for _, number := range []int32{int32(len(s.plugin.Routines)), 1 << 30, -1} {
		err := s.drive(ctx, work.Call{Limits: limits}, func(g *sandbox.Guest, _ *notebook) error {
			if has(routine.Analysis) || has(routine.Importer) {
				return refusedWithAReason(g, "thresher_run", number, g.Run)
			}
			return refusedWithAReason(g, "thresher_init", number, g.Init)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// refusedWithAReason is that a call answers -1, having said why.
func refusedWithAReason(g *sandbox.Guest, export string, number int32, call func(int32) (int32, error)) error {
	status, err := call(number)
	switch {
	case err != nil:
		return fmt.Errorf("%s(%d): want the status -1 and a reason: %w", export, number, err)
	case status != -1:
		return fmt.Errorf("%s(%d) answers %d: want -1", export, number, status)
	case g.Said() == "":
		return fmt.Errorf("%s(%d) answers -1 and does not say why: call fail before", export, number)
	}
	return nil
}
