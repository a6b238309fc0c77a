package table_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"thresher/core/table"
)

func ExampleImport() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	csv := "step,counts\n0,\"{\"\"system\"\": 10, \"\"control\"\": 9}\"\n1,\"{\"\"system\"\": 11}\"\n"
	sealed, err := table.Import(context.Background(), strings.NewReader(csv), table.CSV, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	f, err := table.Open(sealed.Path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if err := table.WriteCSV(os.Stdout, f, 0, f.Rows()); err != nil {
		log.Fatal(err)
	}
	_, err = table.Import(context.Background(), strings.NewReader("a,b\n1,2\n3\n"), table.CSV, dir, nil)
	fmt.Println(err)
	// Output:
	// step,counts.system,counts.control
	// 0,10,9
	// 1,11,
	// line 3, column 2 (b): the row has 1 cells, the header has 2
}
