package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
)

// writeVisits writes a table of numbers, integers and text, some of them missing: the
// same each time.
func writeVisits(out io.Writer, rows int) error {
	r := rand.New(rand.NewPCG(1, 2))
	w := bufio.NewWriterSize(out, 1<<20)
	cities := rand.NewZipf(r, 1.3, 4, 59)
	cell := func(present bool, text string, end byte) {
		if present {
			_, _ = w.WriteString(text) // Flush says what went wrong
		}
		_ = w.WriteByte(end)
	}
	_, _ = w.WriteString("temperature,price,items,visitor,city\n")
	for i := range rows {
		season := 10 * math.Sin(float64(i)/float64(rows)*20*math.Pi)
		cell(r.IntN(50) != 0, strconv.FormatFloat(12+season+4*r.NormFloat64(), 'g', -1, 64), ',')
		cell(true, strconv.FormatFloat(math.Round(100*math.Exp(3+r.NormFloat64()))/100, 'f', 2, 64), ',')
		cell(r.IntN(200) != 0, strconv.Itoa(int(r.ExpFloat64()*4)+1), ',')
		cell(true, strconv.Itoa(100_000+r.IntN(900_000)), ',')
		cell(r.IntN(100) != 0, fmt.Sprintf("city of %c%d", 'A'+rune(i%3), cities.Uint64()), '\n')
	}
	return w.Flush()
}

// kinds are the types of agents of the other table.
var kinds = []string{"system_agents", "independent_agents", "control_agents"}

// writeSteps writes a table of a simulation's steps, as AgentFarm's loader returns it:
// three types of agents that grow to what the land bears, and die out for the most part
// every hundred thousand steps.
func writeSteps(out io.Writer, rows int) error {
	r := rand.New(rand.NewPCG(3, 4))
	w := bufio.NewWriterSize(out, 1<<20)
	_, _ = w.WriteString("step,total_agents,system_agents,independent_agents,control_agents,births,deaths\n")
	alive := [3]int{20, 25, 30}
	for step := range rows {
		births, deaths := 0, 0
		all := alive[0] + alive[1] + alive[2]
		for k, n := range alive {
			if step%100_000 == 99_999 {
				dead := n * (60 + 10*k) / 100
				alive[k], deaths = n-dead, deaths+dead
				continue
			}
			rate := 0.01 * float64(n)
			born := int(rate*(1.5+0.1*float64(k)) + r.Float64())
			died := min(int(rate*(0.5+float64(all)/float64(3000+200*k))+r.Float64()), n-5)
			alive[k] = n + born - max(died, 0)
			births, deaths = births+born, deaths+max(died, 0)
		}
		_, _ = fmt.Fprintf(w, "%d,%d,%d,%d,%d,%d,%d\n", step, alive[0]+alive[1]+alive[2], alive[0], alive[1], alive[2], births, deaths)
	}
	return w.Flush()
}
