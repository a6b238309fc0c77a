package core

import (
	"fmt"
	"slices"
	"strings"
)

// inOrder sorts the jobs of a batch into levels: those of a level name only those
// of the levels before. It refuses names that are given twice, and cycles.
func inOrder(items []BatchJob) ([][]int, error) {
	byName := map[string]int{}
	for i, item := range items {
		if item.Name == "" {
			continue
		}
		if _, taken := byName[item.Name]; taken {
			return nil, invalid(fmt.Sprintf("jobs[%d].name", i), "%q is the name of another", item.Name)
		}
		byName[item.Name] = i
	}
	left := make([]int, len(items)) // that each still waits for
	waiters := map[int][]int{}
	for i, item := range items {
		for _, name := range item.refs() {
			if parent, found := byName[name]; found { // if not, its own check says so
				left[i]++
				waiters[parent] = append(waiters[parent], i)
			}
		}
	}
	var levels [][]int
	placed := 0
	for level := ready(left); len(level) > 0; {
		levels = append(levels, level)
		placed += len(level)
		var next []int
		for _, parent := range level {
			for _, child := range waiters[parent] {
				if left[child]--; left[child] == 0 {
					next = append(next, child)
				}
			}
		}
		level = next
	}
	if placed < len(items) {
		return nil, invalid("jobs", "dependency cycle: %s", strings.Join(cycle(items, byName, left), " → "))
	}
	return levels, nil
}

func ready(left []int) (level []int) {
	for i, n := range left {
		if n == 0 {
			level = append(level, i)
		}
	}
	return level
}

// cycle returns the names along a dependency cycle, the first again at the end. left
// says what each job still waits for: each that waits has a parent that waits too.
func cycle(items []BatchJob, byName map[string]int, left []int) (names []string) {
	seen := map[int]int{} // where in names each job is
	at := slices.IndexFunc(left, func(n int) bool { return n > 0 })
	for {
		names = append(names, items[at].Name)
		if first, again := seen[at]; again {
			return names[first:]
		}
		seen[at] = len(names) - 1
		for _, name := range items[at].refs() {
			if parent, found := byName[name]; found && left[parent] > 0 {
				at = parent
				break
			}
		}
	}
}

// refs lists the names of the other jobs of the batch that a job names.
func (b BatchJob) refs() (names []string) {
	for _, ref := range b.After {
		if name, ok := strings.CutPrefix(ref, "@"); ok {
			names = append(names, name)
		}
	}
	for _, source := range b.Inputs {
		if ref, ok := strings.CutPrefix(source, "job:@"); ok {
			name, _, _ := strings.Cut(ref, "/")
			names = append(names, name)
		}
	}
	return names
}
