package sandbox

import (
	"slices"

	"thresher/core/guard"
)

// pool keeps clones that no job uses, put back to their images, so that the next
// job of the same module begins at once. It keeps few: each may hold a few pages of
// its own (see keep), and what is idle the longest goes first.
type pool struct {
	most int
	idle *guard.Value[[]*instance] // the longest idle first
}

func newPool(most int) *pool {
	return &pool{most: most, idle: guard.New("clones", guard.RankSandbox, []*instance(nil))}
}

// take returns a clone that has room for a job's memory, or nil.
func (p *pool) take(m *module, limit uint64) (c *instance) {
	p.idle.Must(func(idle *[]*instance) {
		for n := len(*idle) - 1; n >= 0; n-- {
			if i := (*idle)[n]; i.module == m && i.memory.fits(limit, m.declared) {
				c = i
				*idle = slices.Delete(*idle, n, n+1)
				return
			}
		}
	})
	return c
}

// give resets a clone that its job has done with, and keeps it.
func (p *pool) give(c *instance) {
	if err := c.reset(); err != nil {
		c.close()
		return
	}
	var evicted *instance
	p.idle.Must(func(idle *[]*instance) {
		*idle = append(*idle, c)
		if len(*idle) > p.most {
			evicted = (*idle)[0]
			*idle = slices.Delete(*idle, 0, 1)
		}
	})
	if evicted != nil {
		evicted.close()
	}
}

// drain closes every idle clone of a module, or of all where it is nil.
func (p *pool) drain(m *module) {
	var gone []*instance
	p.idle.Must(func(idle *[]*instance) {
		*idle = slices.DeleteFunc(*idle, func(i *instance) bool {
			if m != nil && i.module != m {
				return false
			}
			gone = append(gone, i)
			return true
		})
	})
	for _, i := range gone {
		i.close()
	}
}
