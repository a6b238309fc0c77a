package clock_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core/clock"
)

const day = 24 * time.Hour

// machine is a machine whose clocks a test moves.
type machine struct{ clock.Reading }

func newMachine() *machine {
	return &machine{clock.Reading{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Mono: time.Hour, Boot: "first"}}
}

// pass lets time pass.
func (m *machine) pass(d time.Duration) { m.Wall, m.Mono = m.Wall.Add(d), m.Mono+d }

// jump sets the wall clock.
func (m *machine) jump(d time.Duration) { m.Wall = m.Wall.Add(d) }

// reboot is off for a time that its monotonic clock knows nothing of.
func (m *machine) reboot(off time.Duration) {
	m.Wall, m.Mono, m.Boot = m.Wall.Add(off), time.Second, m.Boot+"+"
}

func (m *machine) open(t *testing.T, dir string, newest time.Time) *clock.Clock {
	t.Helper()
	return clock.Open(clock.Config{
		Read: func() clock.Reading { return m.Reading }, File: filepath.Join(dir, "clock"), Newest: newest,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

// jumps are what a clock can do; 0 is none.
var jumps = []time.Duration{0, 2 * day, 10 * 365 * day, -2 * day, -10 * 365 * day, 2 * time.Minute, -2 * time.Minute}

func TestAgesAreWhatWasMeasuredWhateverTheClockSays(t *testing.T) {
	for _, by := range jumps {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v_restart_%v", by, restart), func(t *testing.T) {
				dir, m := t.TempDir(), newMachine()
				c := m.open(t, dir, time.Time{})
				m.pass(time.Hour)
				before := c.Now()
				m.pass(3 * time.Hour)
				c.Check()
				m.jump(by)
				if restart {
					c = m.open(t, dir, before)
				}
				during := c.Now()
				m.pass(time.Hour)
				assert.InDelta(t, 4, c.Age(before).Hours(), 0.04)
				assert.InDelta(t, 1, c.Age(during).Hours(), 0.04)
				m.jump(-by)
				m.pass(time.Hour)
				after := c.Now()
				m.pass(time.Hour)
				assert.InDelta(t, 3, c.Age(during).Hours(), 0.04, "of the wrong time, when the clock is right again")
				assert.InDelta(t, 6, c.Age(before).Hours(), 0.04)
				assert.InDelta(t, 1, c.Age(after).Hours(), 0.04)
			})
		}
	}
}

// Whatever a machine does, no date comes out older than it is, and where the clock has
// never been wrong ages are right.
func TestNoAgeIsMoreThanTheTimeThatHasPassed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, m := t.TempDir(), newMachine()
		c := m.open(t, dir, time.Time{})
		passed := time.Duration(0)
		type dated struct {
			at   time.Time
			when time.Duration
		}
		var records []dated
		// A jump is only known to the next start if it was looked at and saved, and two
		// jumps between two looks are taken for one: docs/operations.md.
		settle := func() {
			m.pass(10 * time.Second)
			passed += 10 * time.Second
			c.Check()
		}
		for range rapid.IntRange(1, 100).Draw(rt, "steps") {
			switch d := time.Duration(rapid.Int64Range(1, int64(3*day)).Draw(rt, "d")); rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				m.pass(d)
				passed += d
			case 1:
				settle() // jumps are rarer than looks; records come in between
				m.jump(d)
			case 2:
				settle()
				m.jump(-d)
			case 3:
				settle()
				newest := time.Time{}
				if len(records) > 0 {
					newest = records[len(records)-1].at
				}
				c = m.open(t, dir, newest)
			case 4:
				c.Check()
				m.reboot(d)
				passed += d
				c = m.open(t, dir, time.Time{})
			case 5:
				records = append(records, dated{c.Now(), passed})
			}
		}
		for _, r := range records {
			if age := c.Age(r.at); age > passed-r.when+3*clock.Bound || age < -clock.Bound {
				rt.Fatalf("a record dated %v came out %v old; it is %v old", r.at, age, passed-r.when)
			}
		}
	})
}

func TestAMachineThatWasOffIsNotToldFromAJump(t *testing.T) {
	dir, m := t.TempDir(), newMachine()
	c := m.open(t, dir, time.Time{})
	before := c.Now()
	m.pass(time.Hour)
	c.Check()
	m.reboot(7 * day)
	c = m.open(t, dir, before)
	assert.InDelta(t, 1, c.Age(before).Hours(), 0.04)
	require.Len(t, c.Status().Jumps, 1)
	assert.False(t, c.Status().Jumps[0].Running)
	c.Accept()
	assert.InDelta(t, 7*24+1, c.Age(before).Hours(), 0.04, "someone who knows has said so")
	assert.Empty(t, c.Status().Jumps)
	c = m.open(t, dir, before)
	assert.InDelta(t, 7*24+1, c.Age(before).Hours(), 0.04, "and that holds over a restart")
}

func TestAQuickRebootIsNoJump(t *testing.T) {
	dir, m := t.TempDir(), newMachine()
	c := m.open(t, dir, time.Time{})
	before := c.Now()
	m.reboot(clock.Bound / 2)
	c = m.open(t, dir, before)
	assert.Equal(t, clock.Bound/2, c.Age(before))
	assert.Empty(t, c.Status().Jumps)
}

// Without a state the newest record is the only witness.
func TestAFolderWithoutAStateCountsFromItsNewestRecord(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"absent": os.Remove,
		"cut":    func(file string) error { return os.Truncate(file, 20) },
		"empty":  func(file string) error { return os.Truncate(file, 0) },
		"changed": func(file string) error {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, []byte(strings.Replace(string(data), `"steady":`, `"steady":9`, 1)), 0o600)
		},
	} {
		for _, by := range jumps {
			t.Run(fmt.Sprint(name, by), func(t *testing.T) {
				dir, m := t.TempDir(), newMachine()
				c := m.open(t, dir, time.Time{})
				m.pass(time.Second)
				newest := c.Now()
				c.Check()
				require.NoError(t, damage(filepath.Join(dir, "clock")))
				m.jump(by)
				c = m.open(t, dir, newest)
				m.pass(time.Hour)
				assert.InDelta(t, 1, c.Age(newest).Hours(), 0.04) // of a date before and after a jump back, the latest
			})
		}
	}
}

func TestEachJumpIsNoticedOnce(t *testing.T) {
	m := newMachine()
	var log strings.Builder
	c := clock.Open(clock.Config{Read: func() clock.Reading { return m.Reading }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		m.pass(time.Hour)
		m.jump(2 * day)
		for range 5 {
			c.Check()
			c.Age(c.Now())
			m.pass(time.Second)
		}
	}
	status := c.Status()
	assert.Equal(t, uint64(3), status.Noticed)
	assert.Equal(t, 3, strings.Count(log.String(), "jumped"), log.String())
	require.Len(t, status.Jumps, 3)
	assert.Equal(t, (2 * day).Seconds(), status.Jumps[0].Seconds)
}

// A clock that is never right leaves a bounded state, and makes nothing older.
func TestTheStateIsBounded(t *testing.T) {
	dir, m := t.TempDir(), newMachine()
	c := m.open(t, dir, time.Time{})
	first := c.Now()
	for i := range 500 {
		m.pass(time.Minute)
		m.jump(time.Duration(i%7-3) * day)
		c.Check()
	}
	assert.LessOrEqual(t, c.Age(first), 500*time.Minute+clock.Bound)
	assert.LessOrEqual(t, len(c.Status().Jumps), 64)
	info, err := os.Stat(filepath.Join(dir, "clock"))
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(32<<10))
}

func TestTheMachinesClocksGoOn(t *testing.T) {
	first := clock.Machine()
	second := clock.Machine()
	assert.GreaterOrEqual(t, second.Mono, first.Mono)
	assert.Equal(t, first.Boot, second.Boot)
	assert.WithinDuration(t, first.Wall, second.Wall, clock.Bound)
}
