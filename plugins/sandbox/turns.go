package sandbox

// turns lets no more guests go on at once than there are cores for them. If more did,
// each goroutine of the server that is ready to run would stand in line behind all of
// them, a slice each, whenever it waits for anything: requests would be late, and a
// collection of garbage, which has hundreds of such moments, later still. Guests take
// turns instead, in order, from tick to tick. Who is paused, or is not in a guest at
// all, has none.
type turns chan struct{}

func newTurns(n int) turns { return make(turns, n) }

func (t turns) begin() { t <- struct{}{} }
func (t turns) end()   { <-t }
