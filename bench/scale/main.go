// Command scale measures a server with many finished jobs on disk: how long it
// takes from its start to its first ready answer after it was killed, how long a
// page of a list takes while jobs are written, and what memory a record takes.
//
//	go run ./scale -jobs 100000,1000000
//	go run ./scale -jobs 1000000 -data FOLDER
//
// It fills a temporary folder through the ledger with records like those that real
// runs leave, and starts the real program on it. A folder that is given is filled if
// it is not there, and kept, for measuring again; the jobs of each measurement stay in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	jobs := flag.String("jobs", "100000,1000000", "numbers of finished jobs, each measured by itself")
	fillDir := flag.String("fill", "", "only fill this folder, with the first number of jobs (for its own use)")
	dataDir := flag.String("data", "", "folder to use instead of a temporary one, for one number of jobs")
	flag.Parse()
	ctx := context.Background()
	var sizes []int
	for text := range strings.SplitSeq(*jobs, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			log.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	if *fillDir != "" {
		if err := fill(ctx, *fillDir, sizes[0]); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *dataDir != "" && len(sizes) > 1 {
		log.Fatal("-data is for one number of jobs")
	}
	for _, n := range sizes {
		if err := measure(ctx, n, *dataDir); err != nil {
			log.Fatal(err)
		}
	}
}

func measure(ctx context.Context, n int, data string) (err error) {
	dir, err := os.MkdirTemp("", "thresher-scale-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	exe := filepath.Join(dir, "thresher")
	if data == "" {
		data = filepath.Join(dir, "data")
	}
	build := exec.CommandContext(ctx, "go", "build", "-C", "..", "-o", exe, "./cmd/thresher") // from bench/
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	if _, err := os.Stat(data); err != nil {
		if err := fillAndKill(ctx, data, n); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d finished jobs, %d MB on disk\n", n, folderBytes(data)>>20)

	first, err := start(ctx, exe, data) // compiles the plugins that ship, once
	if err != nil {
		return err
	}
	fmt.Printf("first start                     %8.2f s, %.2f s of CPU (also compiles the plugins that ship)\n", first.ready.Seconds(), first.cpu.Seconds())
	first.kill()
	for range 3 {
		p, err := start(ctx, exe, data)
		if err != nil {
			return err
		}
		fmt.Printf("kill -9 → ready                 %8.2f s, %.2f s of CPU\n", p.ready.Seconds(), p.cpu.Seconds())
		p.kill()
	}
	p, err := start(ctx, exe, data)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := p.memory(n); err != nil {
		return err
	}
	return p.lists(ctx, n)
}

func folderBytes(dir string) (n int64) {
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return nil // only to print
	})
	return n
}
