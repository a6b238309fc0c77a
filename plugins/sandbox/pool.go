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

// muchMemory is how much a clone may have touched to be put back at once, in bytes.
// More takes the kernel milliseconds, which nobody should wait for who wants to hear
// that the guest has ended.
const muchMemory = 16 << 20

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

// give takes an instance that its job has done with. A clone is put back and kept.
func (p *pool) give(i *instance) {
	done := i.close
	if i.module.image != nil && canReset && p.most > 0 {
		done = func() { p.keep(i) }
	}
	if i.memory.touched <= muchMemory {
		done()
		return
	}
	i.module.giving.Go(done)
}

func (p *pool) keep(c *instance) {
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

// drain closes every clone of a module that no job runs, also those about to be idle.
func (p *pool) drain(m *module) {
	m.giving.Wait()
	var gone []*instance
	p.idle.Must(func(idle *[]*instance) {
		*idle = slices.DeleteFunc(*idle, func(i *instance) bool {
			if i.module != m {
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
