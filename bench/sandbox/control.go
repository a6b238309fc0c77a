package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"sync"
	"time"

	"thresher/bench/quiet"
)

// gate is the Host of a guest that is held and let go by a test. It does what the
// worker's own does: it looks at a flag, and waits on a channel when that is set.
type gate struct {
	quiet.Host
	hold    chan struct{} // one waits in it: the guest shall be held
	held    chan struct{}
	release chan struct{}
	resumed chan struct{}
}

func newGate() *gate {
	return &gate{hold: make(chan struct{}, 1), held: make(chan struct{}), release: make(chan struct{}), resumed: make(chan struct{})}
}

func (g *gate) Held() bool { return len(g.hold) > 0 }

func (g *gate) Gate(ctx context.Context) error {
	select {
	case <-g.hold:
	default:
		return context.Cause(ctx)
	}
	g.held <- struct{}{}
	select {
	case <-g.release:
		g.resumed <- struct{}{}
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

var (
	repeats = flag.Int("repeats", 200, "with -only control: how often each kind of work is stopped; it is paused twice as often")
	picked  = flag.String("kinds", "", "with -only control: only the kinds of work whose names match this expression, and nothing else")
)

// control is how soon a guest obeys, whatever it is found at, with a guest for each
// core that wants it: GOMAXPROCS is what the server makes of it.
func control(ctx context.Context, b *bench) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 1))
	title("From a wish until the guest obeys, by what it is doing: p50, p99 and the longest of %d stops, %d pauses, in ms", *repeats, 2**repeats)
	fmt.Printf("%-28s %24s %24s %24s\n", "", "stop", "pause", "resume")
	wanted, err := regexp.Compile(*picked)
	if err != nil {
		return err
	}
	all := endlessWork(b)
	for n := range all {
		if err := all[n].load(ctx, b); err != nil {
			return err
		}
		if !wanted.MatchString(all[n].name) {
			continue
		}
		var o obeyed
		if err := o.measure(ctx, b, &all[n], *repeats); err != nil {
			return fmt.Errorf("%s: %w", all[n].name, err)
		}
		fmt.Printf("%-28s %s %s %s\n", all[n].name, spread(o.stops), spread(o.pauses), spread(o.resumes))
	}
	if *picked != "" {
		return nil
	}
	return asked(ctx, b)
}

// collections is the garbage collector beside guests.
func collections(ctx context.Context, b *bench) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 1))
	title("runtime.GC() beside ten guests: p50, p99 and the longest of %d, in ms", *repeats)
	all := endlessWork(b)
	for n := range all {
		if err := all[n].load(ctx, b); err != nil {
			return err
		}
	}
	for _, row := range []struct {
		name  string
		kinds []endless
	}{
		{"nothing", nil},
		{"ten empty loops", pick(all, "an empty loop")},
		{"ten that fill 1 GiB", pick(all, "filling 1 GiB")},
		{"ten of all kinds", all},
	} {
		if err := collector(ctx, b, row.name, row.kinds); err != nil {
			return err
		}
	}
	return nil
}

func pick(all []endless, name string) (some []endless) {
	for _, e := range all {
		if e.name == name {
			some = append(some, e)
		}
	}
	return some
}

func spread(took []time.Duration) string {
	return fmt.Sprintf("%8.2f %7.2f %7.2f", millis(took, 0.5), millis(took, 0.99), millis(took, 1))
}

func millis(took []time.Duration, p float64) float64 { return percentile(took, p).Seconds() * 1000 }

// obeyed is how long a guest took to obey.
type obeyed struct{ stops, pauses, resumes []time.Duration }

// measure lets work begin, holds it, lets it go, and stops it, again and again, beside
// a guest on each other core.
func (o *obeyed) measure(ctx context.Context, b *bench, e *endless, repeats int) error {
	beside, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for range runtime.NumCPU() - 1 {
		others.Go(func() { _, _ = b.host.Run(beside, call(b.guests[0], "spin", quiet.Host{})) })
	}
	for range repeats {
		if err := o.once(ctx, b, e); err != nil {
			return err
		}
	}
	return nil
}

func (o *obeyed) once(ctx context.Context, b *bench, e *endless) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hand, ended := newGate(), make(chan error, 1)
	go func() { ended <- e.run(ctx, b, hand) }()
	for range 2 {
		e.wait()
		start := time.Now()
		hand.hold <- struct{}{}
		select {
		case <-hand.held:
		case err := <-ended:
			return err
		}
		o.pauses = append(o.pauses, time.Since(start))
		start = time.Now()
		hand.release <- struct{}{}
		<-hand.resumed
		o.resumes = append(o.resumes, time.Since(start))
	}
	e.wait()
	start := time.Now()
	cancel()
	err := <-ended
	o.stops = append(o.stops, time.Since(start))
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the guest ended otherwise: %w", err)
	}
	return nil
}

// wait lets the work go on for a while, a different one each time.
func (e *endless) wait() {
	time.Sleep(millisecond + rand.N(max(e.upTo, 5*millisecond)))
}

// collector measures the garbage collector beside ten guests, of these kinds in turn.
func collector(ctx context.Context, b *bench, name string, kinds []endless) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for first := 0; first == 0 || first < len(kinds); first += 10 {
		round, stop := context.WithCancel(ctx)
		for n := range min(10, 10*len(kinds)) {
			all.Go(func() { _ = kinds[(first+n)%len(kinds)].run(round, b, quiet.Host{}) })
		}
		time.Sleep(100 * millisecond) // they run
		var took []time.Duration
		for range *repeats {
			start := time.Now()
			runtime.GC()
			took = append(took, time.Since(start))
		}
		stop()
		all.Wait()
		fmt.Printf("%-28s %s\n", name, spread(took))
	}
	return ctx.Err()
}
