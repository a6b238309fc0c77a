// Package spelling guesses which of the known names was meant by one that is not known.
package spelling

import "slices"

// mostLetters is how many letters two names may differ in for one to be meant by the other.
const mostLetters = 2

// Nearest is the known name that differs least from a name, or "" if all differ much.
func Nearest(name string, known []string) string {
	best, least := "", mostLetters+1
	for _, other := range slices.Sorted(slices.Values(known)) {
		if d := distance(name, other); d < least {
			best, least = other, d
		}
	}
	return best
}

// distance is how many letters are to be put in, left out or changed to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
