package sandbox

import "context"

// flight is a module being loaded, once for all who want it. It goes on while one of
// them waits, and ends when the last gives up.
type flight struct {
	waiting int // as in Host.modules, under its lock
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed once m and err are set
	m       *module
	err     error
}

// once returns a module that is loaded, or loads it.
func (h *Host) once(ctx context.Context, digest string, load func(context.Context) (*module, error)) (*module, error) {
	f, m := h.board(ctx, digest, load)
	if m != nil {
		return m, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		h.leave(f, digest, context.Cause(ctx))
		return nil, context.Cause(ctx)
	}
	if f.err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return f.m, f.err
}

// board joins the flight of a module, and starts it if there is none. A module that is
// loaded needs none.
func (h *Host) board(ctx context.Context, digest string, load func(context.Context) (*module, error)) (f *flight, m *module) {
	h.modules.Must(func(all *loaded) {
		if m = all.by[digest]; m != nil {
			return
		}
		if f = all.loading[digest]; f == nil {
			own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
			f = &flight{cancel: cancel, done: make(chan struct{})}
			all.loading[digest] = f
			h.flights.Go(func() { h.fly(own, f, digest, load) })
		}
		f.waiting++
	})
	return f, m
}

func (h *Host) fly(ctx context.Context, f *flight, digest string, load func(context.Context) (*module, error)) {
	defer f.cancel(nil)
	f.m, f.err = load(ctx)
	h.modules.Must(func(all *loaded) { all.land(f, digest) })
	close(f.done)
}

// leave gives up waiting. The last to do so ends the flight.
func (h *Host) leave(f *flight, digest string, why error) {
	h.modules.Must(func(all *loaded) {
		if f.waiting--; f.waiting == 0 {
			all.land(f, digest) // who comes now starts anew
			f.cancel(why)
		}
	})
}

func (all *loaded) land(f *flight, digest string) {
	if all.loading[digest] == f {
		delete(all.loading, digest)
	}
}
