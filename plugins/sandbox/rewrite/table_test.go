package rewrite

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"thresher/plugins/sandbox/binary"
)

// gasTable is the table of costs as docs/sandbox.md has it.
func gasTable() string {
	var out strings.Builder
	row := func(what string, gas any) { fmt.Fprintf(&out, "| %s | %v |\n", what, gas) }
	out.WriteString("| instruction | gas |\n|---|---|\n")
	row("`block`, `loop`, `else`, `end`, `nop`", cost(binary.OpEnd))
	row("arithmetic, comparisons, constants, locals, globals, loads, stores, branches, vectors", cost(binary.OpI32Add))
	row("going round a loop, besides what is in it", costPlain)
	row("integer `div` and `rem`; float `div` and `sqrt`", cost(binary.OpI32DivU))
	row("`br_table`, `table.get`, `table.set`, `table.size`", cost(binary.OpBrTable))
	row(fmt.Sprintf("`call`; of a function that calls nothing and costs no more than %d, all of it", costCall), cost(binary.OpCall))
	row("`call_indirect`", cost(binary.OpCallIndirect))
	row("`memory.grow`", cost(binary.OpMemoryGrow))
	row(fmt.Sprintf("`memory.fill`, `memory.copy` of up to %d bytes", inlineBytes), cost(binary.OpMemoryFill))
	row("longer ones", fmt.Sprintf("%d + bytes / %d", cost(binary.OpMemoryCopy), bytesPerGas))
	row("`memory.init`", fmt.Sprintf("%d + bytes / %d", cost(binary.OpMemoryInit), bytesPerGas))
	row("`table.init`, `table.copy`, `table.fill`", fmt.Sprintf("%d + %d for each entry", cost(binary.OpTableInit), elementGas))
	row("`table.grow`", fmt.Sprintf("%d + %d for each entry asked for, up to %d", cost(binary.OpTableGrow), elementGas, maxTable))
	return out.String()
}

// The documentation says what instructions cost.
func TestTheTableOfCostsIsTrue(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/sandbox.md")
	require.NoError(t, err)
	_, rest, begun := strings.Cut(string(raw), "<!-- gas -->\n")
	table, _, ended := strings.Cut(rest, "<!-- /gas -->")
	require.True(t, begun && ended, "docs/sandbox.md has its table of gas between two markers")
	assert.Equal(t, gasTable(), table, "put this between the markers:\n%s", gasTable())
}
