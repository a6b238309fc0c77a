package feed

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// BenchmarkPublish tells so many subscribers, who read all the while, of a change.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 1_000} {
		b.Run(fmt.Sprintf("subscribers=%d", n), func(b *testing.B) {
			h := New(0)
			var readers sync.WaitGroup
			for range n {
				readers.Go(func() {
					for { // one that is dropped comes back, as clients do
						s := h.Subscribe(0, "")
						for s.Err() == nil {
							if _, ok := s.Next(); !ok {
								<-s.More()
							}
						}
						if s.Err() == ErrClosed {
							return
						}
					}
				})
			}
			for now, _ := h.Counts(); now < n; now, _ = h.Counts() {
			}
			data := json.RawMessage(`{"id":"01M88HHWRSZVG32GWN5VCA0B85","phase":"completed"}`)
			id := uint64(0)
			for b.Loop() {
				id++
				h.Publish(Event{ID: id, Type: TypeJob, Job: "A", Data: data})
			}
			b.StopTimer()
			_, dropped := h.Counts()
			b.ReportMetric(float64(dropped)/float64(id), "dropped/op")
			h.Close()
			readers.Wait()
		})
	}
}
