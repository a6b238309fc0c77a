//go:build wasip1

// Command go is the guest of bench/sandbox in Go: eight kernels, as the guests in C,
// Rust and AssemblyScript beside it have them, without the SDK.
package main

import "unsafe"

func main() {}

const manifest = `{"name":"bench-go","version":"1.0.0","summary":"","routines":[` +
	`{"name":"nothing","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"spin","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"recurse","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"fib","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"matmul","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"sieve","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"nbody","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"sha256","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"sort","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"search","kind":"analysis","title":"","params":{"type":"object"}},` +
	`{"name":"hash","kind":"analysis","title":"","params":{"type":"object"}}]}`

//go:wasmexport thresher_describe
func describe() int64 {
	return int64(uint64(uintptr(unsafe.Pointer(unsafe.StringData(manifest))))<<32 | uint64(len(manifest)))
}

var kept [][]byte

//go:wasmexport thresher_alloc
func alloc(n int32) unsafe.Pointer {
	buffer := make([]byte, n)
	kept = append(kept, buffer)
	return unsafe.Pointer(unsafe.SliceData(buffer))
}

var (
	turns uint64
	last  int64
)

//go:wasmexport thresher_run
func run(routine int32) int32 {
	switch routine {
	case 0:
	case 1:
		for {
			turns++
		}
	case 2:
		for {
			last = fib(40)
		}
	default:
		last = kernel(routine - 3)
	}
	return 0
}

//go:wasmexport nothing
func nothing() int32 { return 0 }

//go:wasmexport kernel
func kernel(k int32) int64 {
	switch k {
	case 0:
		return fib(32)
	case 1:
		return matmul()
	case 2:
		return sieve()
	case 3:
		return nbody()
	case 4:
		return hashing()
	case 5:
		return sorting()
	case 6:
		return search()
	}
	return hashmap()
}

func fib(n int64) int64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

const side = 200

var a, b, c [side * side]float64

func matmul() int64 {
	for i := range side * side {
		a[i], b[i] = float64(i%7), float64(i%5)
	}
	for i := range side {
		for j := range side {
			sum := 0.0
			for k := range side {
				sum += a[i*side+k] * b[k*side+j]
			}
			c[i*side+j] = sum
		}
	}
	total := 0.0
	for _, v := range c {
		total += v
	}
	return int64(total)
}

const bytes = 1 << 20

var buffer [bytes]byte

func sieve() int64 {
	count := int64(0)
	for range 4 {
		count = 0
		for i := range buffer {
			buffer[i] = 1
		}
		for i := 2; i < bytes; i++ {
			if buffer[i] == 0 {
				continue
			}
			count++
			for j := 2 * i; j < bytes; j += i {
				buffer[j] = 0
			}
		}
	}
	return count
}

type body struct{ x, y, z, u, v, w, mass float64 }

func nbody() int64 {
	bodies := [5]body{}
	for i := range bodies {
		f := float64(i + 1)
		bodies[i] = body{f, f * f * 0.5, 3 - f, 0.1 * f, 0.2 - 0.05*f, 0.03 * f, 1 / f}
	}
	for range 40_000 {
		for i := range bodies {
			p := &bodies[i]
			for j := i + 1; j < len(bodies); j++ {
				q := &bodies[j]
				dx, dy, dz := p.x-q.x, p.y-q.y, p.z-q.z
				d := dx*dx + dy*dy + dz*dz + 0.01
				m := 0.001 / (d * d)
				p.u -= dx * q.mass * m
				p.v -= dy * q.mass * m
				p.w -= dz * q.mass * m
				q.u += dx * p.mass * m
				q.v += dy * p.mass * m
				q.w += dz * p.mass * m
			}
		}
		for i := range bodies {
			p := &bodies[i]
			p.x += 0.001 * p.u
			p.y += 0.001 * p.v
			p.z += 0.001 * p.w
		}
	}
	return int64((bodies[0].x + bodies[1].y + bodies[4].z) * 1e6)
}

var constants [64]uint32

// hashing is the rounds of SHA-256, with constants of its own.
func hashing() int64 {
	x := uint32(1)
	for i := range constants {
		x = x*1664525 + 1013904223
		constants[i] = x
	}
	for i := range buffer {
		buffer[i] = byte(i)
	}
	h := [8]uint32{1, 2, 3, 4, 5, 6, 7, 8}
	var w [64]uint32
	for at := 0; at < bytes; at += 64 {
		for i := range 16 {
			p := at + 4*i
			w[i] = uint32(buffer[p])<<24 | uint32(buffer[p+1])<<16 | uint32(buffer[p+2])<<8 | uint32(buffer[p+3])
		}
		for i := 16; i < 64; i++ {
			s0 := (w[i-15]>>7 | w[i-15]<<25) ^ (w[i-15]>>18 | w[i-15]<<14) ^ w[i-15]>>3
			s1 := (w[i-2]>>17 | w[i-2]<<15) ^ (w[i-2]>>19 | w[i-2]<<13) ^ w[i-2]>>10
			w[i] = w[i-16] + s0 + w[i-7] + s1
		}
		a, b, c, d, e, f, g, k := h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
		for i := range 64 {
			s1 := (e>>6 | e<<26) ^ (e>>11 | e<<21) ^ (e>>25 | e<<7)
			t1 := k + s1 + (e&f ^ ^e&g) + constants[i] + w[i]
			s0 := (a>>2 | a<<30) ^ (a>>13 | a<<19) ^ (a>>22 | a<<10)
			t2 := s0 + (a&b ^ a&c ^ b&c)
			k, g, f, e, d, c, b, a = g, f, e, d+t1, c, b, a, t1+t2
		}
		h[0] += a
		h[1] += b
		h[2] += c
		h[3] += d
		h[4] += e
		h[5] += f
		h[6] += g
		h[7] += k
	}
	return int64(h[0])
}

const items = 1 << 17

var numbers [items]uint32

func sorting() int64 {
	x := uint32(7)
	for i := range numbers {
		x = x*1664525 + 1013904223
		numbers[i] = x
	}
	quick(numbers[:], 0, items-1)
	sum := int64(0)
	for i := 0; i < items; i += 1000 {
		sum += int64(numbers[i])
	}
	return sum
}

func quick(v []uint32, low, high int) {
	for low < high {
		pivot := v[(low+high)/2]
		i, j := low-1, high+1
		for {
			for i++; v[i] < pivot; i++ {
			}
			for j--; v[j] > pivot; j-- {
			}
			if i >= j {
				break
			}
			v[i], v[j] = v[j], v[i]
		}
		quick(v, low, j)
		low = j + 1
	}
}

func search() int64 {
	x := uint32(3)
	for i := range buffer {
		x = x*1664525 + 1013904223
		buffer[i] = byte(x >> 30)
	}
	found := int64(0)
	for n := range 4 {
		for i := 0; i+6 <= bytes; i++ {
			j := 0
			for j < 6 && buffer[i+j] == byte((n+j)&3) {
				j++
			}
			if j == 6 {
				found++
			}
		}
	}
	return found
}

const slots = 1 << 17

var keys, values [slots]uint32

func hashmap() int64 {
	found := int64(0)
	for round := range 4 {
		for i := range keys {
			keys[i] = 0
		}
		x := uint32(round + 1)
		for range slots / 2 {
			x = x*1664525 + 1013904223
			key := x | 1
			at := key * 2654435761 >> 15
			for keys[at] != 0 && keys[at] != key {
				at = (at + 1) & (slots - 1)
			}
			keys[at] = key
			values[at] += x
		}
		x = uint32(round + 1)
		for range slots {
			x = x*1664525 + 1013904223
			key := x | 1
			at := key * 2654435761 >> 15
			for keys[at] != 0 && keys[at] != key {
				at = (at + 1) & (slots - 1)
			}
			if keys[at] == key {
				found++
			}
		}
	}
	return found
}
