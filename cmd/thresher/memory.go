package main

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"

	"thresher/core"
)

// size is a number of bytes, as a person writes it.
type size int64

var (
	sizeText  = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)$`)
	sizeUnits = map[string]float64{
		"": 1 << 20, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
		"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	}
)

// maxSize keeps sizes far from overflowing.
const maxSize = 1 << 50

// UnmarshalText reads a size such as 512MiB or 1.5GB; a number alone is MiB.
func (s *size) UnmarshalText(text []byte) error {
	found := sizeText.FindStringSubmatch(string(text))
	if found == nil {
		return fmt.Errorf("%q: want a size such as 512MiB or 2GiB", text)
	}
	unit, known := sizeUnits[strings.ToLower(found[2])]
	if !known {
		return fmt.Errorf("%q: unknown unit %s: want KiB, MiB, GiB or TiB (1024), or kB, MB, GB or TB (1000)", text, found[2])
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil || n*unit > maxSize {
		return fmt.Errorf("%q: more than the largest size, 1024TiB", text)
	}
	*s = size(n * unit)
	return nil
}

// leastMemory is what the server itself can work with, and a small job.
const leastMemory = 64 << 20

// withMemory fills in how much memory there is, and bounds Go's heap by what the guests
// leave. GOMEMLIMIT, if set, stands.
func withMemory(cfg core.Config) (core.Config, error) {
	found, err := core.MachineMemory()
	if err != nil {
		cfg.Log.Warn("memory: set it with --memory", "error", err)
	}
	switch {
	case cfg.Memory == 0:
		cfg.Memory = found
	case cfg.Memory < leastMemory:
		return cfg, &core.Invalid{Field: "memory", Message: fmt.Sprintf("%d bytes: want at least %d MiB", cfg.Memory, leastMemory>>20)}
	case cfg.Memory > found:
		cfg.Log.Warn("memory: more is given than there is", "given_mib", cfg.Memory>>20, "found_mib", found>>20)
	}
	cfg.Heed = func(l core.Limits) { limitHeap(cfg.Log, cfg.Memory, l.MemoryBytes) }
	return cfg, nil
}

func limitHeap(log *slog.Logger, memory, budget int64) {
	if budget > memory {
		log.Warn("memory: jobs may reserve more than there is", "memory_bytes", budget, "memory_mib", memory>>20)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := core.HeapLimit(memory, budget)
	if debug.SetMemoryLimit(limit) != limit {
		log.Info("memory", "mib", memory>>20, "guests_mib", budget>>20, "go_heap_mib", limit>>20)
	}
}
