package hostile

// The operators on vectors, by the numbers behind their prefix.

func init() {
	add := func(leaves byte, from, to uint32, takes []byte, immediates ...byte) {
		for op := from; op <= to; op++ {
			operators[leaves] = append(operators[leaves], operator{takes, Code([]byte{0xfd}, uleb(op), immediates)})
		}
	}
	one, two, shift := []byte{V128}, []byte{V128, V128}, []byte{V128, I32}
	add(V128, 13, 13, two, 3, 31, 0, 7, 16, 8, 9, 30, 1, 2, 2, 17, 12, 29, 4, 5) // shuffle
	add(V128, 14, 14, two)                                                       // swizzle
	for i, from := range []byte{I32, I32, I32, I64, F32, F64} {
		add(V128, uint32(15+i), uint32(15+i), []byte{from}) // splat
	}
	const lane = 1
	add(I32, 21, 22, one, lane)
	add(V128, 23, 23, []byte{V128, I32}, lane)
	add(I32, 24, 25, one, lane)
	add(V128, 26, 26, []byte{V128, I32}, lane)
	for i, t := range []byte{I32, I64, F32, F64} {
		add(t, uint32(27+2*i), uint32(27+2*i), one, lane)
		add(V128, uint32(28+2*i), uint32(28+2*i), []byte{V128, t}, lane)
	}
	add(V128, 35, 76, two) // comparisons
	add(V128, 77, 77, one)
	add(V128, 78, 81, two)
	add(V128, 82, 82, []byte{V128, V128, V128}) // bitselect
	add(I32, 83, 83, one)
	add(V128, 94, 95, one)                              // between floats
	for _, shape := range []uint32{96, 128, 160, 192} { // of integers, by the first of its numbers
		add(V128, shape, shape+1, one)  // abs, neg
		add(I32, shape+3, shape+4, one) // all_true, bitmask
		add(V128, shape+11, shape+13, shift)
		add(V128, shape+14, shape+14, two) // add
		add(V128, shape+17, shape+17, two) // sub
	}
	add(V128, 101, 102, two) // narrow
	add(V128, 118, 121, two) // min, max
	add(V128, 124, 127, one) // extadd_pairwise
	add(V128, 135, 138, one) // extend
	add(V128, 149, 149, two)
	add(V128, 156, 159, two)                   // extmul
	add(V128, 181, 186, two)                   // mul, min, max, dot
	add(V128, 213, 219, two)                   // mul, comparisons
	for _, shape := range []uint32{224, 236} { // of floats
		add(V128, shape, shape+1, one)
		add(V128, shape+3, shape+3, one) // sqrt
		add(V128, shape+4, shape+11, two)
	}
	add(V128, 248, 255, one) // between integers and floats
}
