package kernel

// Element is what vectors are of.
type Element interface{ int64 | float64 }

// Piece is a stretch of a vector.
type Piece[T Element] struct {
	Values   []T
	Validity []byte // a bit a value, least significant first; 1: not null. nil: no nulls
	Offset   int    // of the first value's bit
}

// Vector is a sequence of numbers, in pieces.
type Vector[T Element] []Piece[T]

// Of makes a vector of values without nulls.
func Of[T Element](values []T) Vector[T] { return Vector[T]{{Values: values}} }

// Values is a vector of one type. Its pieces are in memory, or fetched as they are read.
type Values[T Element] interface {
	Numbers
	cursor() cursor[T]
}

// Paged is a vector whose pieces are fetched as they come, and may be fetched again: a
// list of them would take room that grows with the data.
type Paged[T Element] struct {
	Rows   int
	Pieces int
	Piece  func(i int) Piece[T]
}

// Len implements [Numbers].
func (p Paged[T]) Len() int { return p.Rows }

func (p Paged[T]) floats() cursor[float64] { return asFloats(p.cursor()) }

func (p Paged[T]) cursor() cursor[T] { return &paging[T]{of: p} }

// paging is the cursor of a Paged.
type paging[T Element] struct {
	reading[T]
	of   Paged[T]
	next int
}

func (p *paging[T]) left() int {
	for len(p.piece.Values) == 0 && p.next < p.of.Pieces {
		p.piece = p.of.Piece(p.next)
		p.next++
	}
	return len(p.piece.Values)
}

// Numbers is a vector of either type. The kernels that take one read integers as
// floats, rounded where they are beyond 2^53.
type Numbers interface {
	// Len is the number of rows, nulls among them.
	Len() int
	floats() cursor[float64]
}

// Len implements [Numbers].
func (v Vector[T]) Len() (n int) {
	for _, p := range v {
		n += len(p.Values)
	}
	return n
}

func (v Vector[T]) floats() cursor[float64] { return asFloats(v.cursor()) }

func asFloats[T Element](c cursor[T]) cursor[float64] {
	if ints, ok := any(c).(cursor[int64]); ok {
		return &widening{ints: ints}
	}
	return any(c).(cursor[float64])
}

func (v Vector[T]) cursor() cursor[T] { return &reading[T]{rest: v} }

// cursor walks along a vector.
type cursor[T Element] interface {
	// left is the number of rows left in the piece: 0 at the end.
	left() int
	// take returns the next n ≤ left rows, valid until the next take.
	take(n int) Piece[T]
}

// reading is the cursor of a vector as it is.
type reading[T Element] struct {
	piece Piece[T]  // what is left of it
	rest  Vector[T] // the pieces behind it
}

func (r *reading[T]) left() int {
	for len(r.piece.Values) == 0 && len(r.rest) > 0 {
		r.piece, r.rest = r.rest[0], r.rest[1:]
	}
	return len(r.piece.Values)
}

func (r *reading[T]) take(n int) Piece[T] {
	taken := r.piece
	taken.Values = taken.Values[:n]
	r.piece.Values = r.piece.Values[n:]
	r.piece.Offset += n
	return taken
}

// widening reads integers as floats.
type widening struct {
	ints cursor[int64]
	room [block]float64
}

func (w *widening) left() int { return w.ints.left() }

func (w *widening) take(n int) Piece[float64] {
	p := w.ints.take(n)
	for i, v := range p.Values {
		w.room[i] = float64(v)
	}
	return Piece[float64]{w.room[:n], p.Validity, p.Offset}
}

// valid reports whether value i is not null.
func (p Piece[T]) valid(i int) bool {
	return p.Validity == nil || p.Validity[(p.Offset+i)/8]>>((p.Offset+i)%8)&1 == 1
}

// set returns bit i: 1 if the value is not null. There must be a bitmap.
func (p Piece[T]) set(i int) int {
	at := uint(p.Offset + i)
	return int(p.Validity[at/8] >> (at % 8) & 1)
}
