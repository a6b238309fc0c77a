package rewrite_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// script is a file of the official test suite, as wast2json writes it.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type     string  `json:"type"`
	Line     int     `json:"line"`
	Name     string  `json:"name"`     // of a module, in the script
	Filename string  `json:"filename"` // of a module
	As       string  `json:"as"`       // of register
	Form     string  `json:"module_type"`
	Action   action  `json:"action"`
	Expected []value `json:"expected"`
	Text     string  `json:"text"` // of the trap that is expected
}

type action struct {
	Type   string  `json:"type"`
	Module string  `json:"module"`
	Field  string  `json:"field"`
	Args   []value `json:"args"`
}

type value struct {
	Type  string          `json:"type"`
	Lane  string          `json:"lane_type"`
	Value json.RawMessage `json:"value"`
}

// words are the value as the runtime takes it: two of a vector, else one.
func words(values []value) (all []uint64) {
	for _, v := range values {
		all = append(all, v.words()...)
	}
	return all
}

func (v value) words() []uint64 {
	if v.Type != "v128" {
		return []uint64{v.word()}
	}
	lanes, width := v.lanes(), v.width()
	two := make([]uint64, 2)
	for i, lane := range lanes {
		n, err := strconv.ParseUint(lane, 10, 64)
		if err != nil {
			panic(err)
		}
		two[i*width/64] |= n << (i * width % 64)
	}
	return two
}

func (v value) word() uint64 {
	text := v.text()
	if text == "null" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	if v.Type == "externref" {
		return n + 1 // 0 is null to the runtime
	}
	return n
}

func (v value) text() (text string) {
	if err := json.Unmarshal(v.Value, &text); err != nil {
		panic(err)
	}
	return text
}

func (v value) lanes() (lanes []string) {
	if err := json.Unmarshal(v.Value, &lanes); err != nil {
		panic(err)
	}
	return lanes
}

// width is that of a lane, in bits.
func (v value) width() int {
	width, err := strconv.Atoi(v.Lane[1:])
	if err != nil {
		panic(err)
	}
	return width
}

// matches reports whether an outcome is the one that the suite expects.
func (c command) matches(outcome string) bool {
	got := strings.Fields(outcome)
	if len(got) != len(c.Expected) {
		return false
	}
	for i, want := range c.Expected {
		if !want.matches(got[i]) {
			return false
		}
	}
	return true
}

func (v value) matches(got string) bool {
	switch {
	case v.Type == "funcref":
		return got == "null:true"
	case v.Type != "v128":
		n, err := strconv.ParseUint(got, 0, 64)
		return err == nil && matchesNumber(v.text(), v.Type, n, v.word)
	}
	var two [2]uint64
	if _, err := fmt.Sscanf(got, "%v,%v", &two[0], &two[1]); err != nil {
		return false
	}
	width := v.width()
	for i, lane := range v.lanes() {
		n := two[i*width/64] >> (i * width % 64)
		if width < 64 {
			n &= 1<<width - 1
		}
		exact := func() uint64 { return value{Type: v.Lane, Value: json.RawMessage(strconv.Quote(lane))}.word() }
		if !matchesNumber(lane, v.Lane, n, exact) {
			return false
		}
	}
	return true
}

// matchesNumber compares bits, of which some of a NaN are free.
func matchesNumber(want, kind string, got uint64, exact func() uint64) bool {
	quiet, sign := uint64(0x7fc00000), uint64(1<<31)
	if kind == "f64" {
		quiet, sign = 0x7ff8000000000000, 1<<63
	}
	switch want {
	case "nan:canonical":
		return got&^sign == quiet
	case "nan:arithmetic":
		return got&quiet == quiet
	}
	return got == exact()
}
