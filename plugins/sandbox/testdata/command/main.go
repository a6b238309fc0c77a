// Command sums a column, as a program that knows nothing of thresher: its table comes
// on standard input as CSV, and the answer goes to standard output.
package main

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
)

func main() {
	column := flag.String("column", "", "which column to add up")
	to := flag.String("to", "json", "json, or csv for a table of running sums")
	if err := flag.CommandLine.Parse(os.Args[1:]); err != nil {
		os.Exit(2)
	}
	if err := sum(*column, *to); err != nil {
		fmt.Fprintln(os.Stderr, "reading the table")
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func sum(column, to string) error {
	rows := csv.NewReader(os.Stdin)
	header, err := rows.Read()
	if err != nil {
		return err
	}
	at := slices.Index(header, column)
	if at < 0 {
		return fmt.Errorf("no column %q among %v", column, header)
	}
	if to == "csv" {
		fmt.Println("running")
	}
	n, total := 0, 0.0
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		v, err := strconv.ParseFloat(row[at], 64)
		if err != nil {
			return err
		}
		n, total = n+1, total+v
		if to == "csv" {
			fmt.Println(total)
		}
	}
	fmt.Fprintf(os.Stderr, "%d rows, seed %s\n", n, os.Getenv("THRESHER_SEED"))
	if to == "json" {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": n, "sum": total, "params": json.RawMessage(os.Getenv("THRESHER_PARAMS"))})
	}
	return nil
}
