// Command thresher is the server and its command line. main only wires: flags,
// signals, and what is printed where.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"thresher/client"
	"thresher/core"
)

// version is set by the build.
var version = "0.1.0-dev"

// The exit codes. docs/cli.md lists them.
const (
	exitOK          = 0
	exitJobFailed   = 1
	exitUsage       = 2
	exitJobStopped  = 3
	exitNotFound    = 4
	exitServer      = 5
	exitDamaged     = 6
	exitInterrupted = 130
)

// streams are where a command reads and writes. Results go to out; everything
// else goes to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// commands is the command line.
type commands struct {
	Server string `help:"The server to talk to." default:"http://127.0.0.1:5000" env:"THRESHER_SERVER" placeholder:"URL"`
	JSON   bool   `help:"Print JSON, for programs: docs/cli.md says what each command prints." name:"json"`

	ShowVersion kong.VersionFlag `help:"Print the version." name:"version" env:"-"`

	Serve    serveCmd    `cmd:"" help:"Start the server."`
	Demo     demoCmd     `cmd:"" help:"Start the server, load sample data, run jobs on it, and keep serving."`
	Run      runCmd      `cmd:"" help:"Run a routine to its end: here, or on a server with --remote."`
	Jobs     jobsCmd     `cmd:"" help:"List, watch and control jobs."`
	Batches  batchesCmd  `cmd:"" help:"Submit, list and control batches of jobs."`
	Bulk     bulkCmd     `cmd:"" help:"List, follow and stop bulk actions: actions on every job that a filter selects."`
	Datasets datasetsCmd `cmd:"" help:"Import, list and delete datasets."`
	Routines routinesCmd `cmd:"" help:"List what can be run, or show a routine's params."`
	Plugins  pluginsCmd  `cmd:"" help:"Check, upload and control plugins."`
	Keys     keysCmd     `cmd:"" help:"Trust and revoke keys that sign plugins."`
	Limits   limitsCmd   `cmd:"" help:"Show or change the server's limits."`
	Locks    locksCmd    `cmd:"" help:"Show named locks: who holds them, who waits."`
	Clock    clockCmd    `cmd:"" help:"Show jumps of the server's clock, or accept them."`
	Backup   backupCmd   `cmd:"" help:"Write an archive of everything, while the server runs."`
	Restore  restoreCmd  `cmd:"" help:"Make a data folder of an archive."`
	Verify   verifyCmd   `cmd:"" help:"Check every record, and every stored file against its digest, on a server or in a data folder."`
	Stats    statsCmd    `cmd:"" help:"Show the server's counts."`
	Compile  compileCmd  `cmd:"" hidden:"" help:"Compile a module: the server starts this."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, plainOn(os.Stdout), os.Stderr}))
}

// Validate refuses a server that is no URL, such as an address without a scheme.
func (c *commands) Validate() error {
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--server: %q: want a URL, such as http://127.0.0.1:5000", c.Server)
	}
	return nil
}

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, io streams) int {
	var c commands
	exited := -1
	parser := newParser(ctx, &c, io, func(code int) { exited = code })
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help or --version
	}
	if err != nil {
		parser.Errorf("%s", err)
		return exitUsage
	}
	return report(ctx, io, command.Run())
}

// newParser makes what reads the command line, the environment and the configuration
// files into c.
func newParser(ctx context.Context, c *commands, io streams, exit func(int)) *kong.Kong {
	return kong.Must(c,
		kong.Name("thresher"),
		kong.Description("Runs simulation and analysis jobs as sandboxed WebAssembly plugins.\n\nExit codes: 0 done, 1 the job failed, 2 wrong usage or request, 3 the job was stopped, 4 not found, 5 no server or its fault, 6 stored data is damaged, 130 interrupted."),
		kong.Vars{"version": "thresher " + version},
		kong.Writers(io.out, io.err),
		kong.Exit(exit),
		kong.UsageOnError(),
		kong.DefaultEnvars("THRESHER"),
		kong.NamedMapper("path", kong.MapperFunc(decodePath)),
		kong.KindMapper(reflect.Int, decodeInteger),
		kong.KindMapper(reflect.Int64, decodeInteger),
		kong.KindMapper(reflect.Uint64, decodeNatural),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), decodeDuration),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io, c),
	)
}

// BeforeResolve lets the configuration files set the flags that are not given.
func (commands) BeforeResolve(parsing *kong.Context, io streams) error {
	return addConfigs(parsing, configFiles(), io.err)
}

// report prints an error and chooses the exit code.
func report(ctx context.Context, io streams, err error) int {
	var ended *jobEnded
	var p *client.Problem
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &ended):
		fmt.Fprintln(io.err, ended)
		return ended.exit
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(io.err, "thresher: interrupted")
		return exitInterrupted
	case errors.Is(err, client.ErrUnreachable):
		fmt.Fprintf(io.err, "thresher: %v\nStart one with `thresher serve`, or name another with --server URL.\n", err)
		return exitServer
	}
	fmt.Fprintf(io.err, "thresher: %v\n", err)
	if errors.As(err, &p) {
		switch {
		case p.Code == "blob_damaged", p.Code == "store_damaged":
			return exitDamaged
		case p.Status == 404:
			return exitNotFound
		case p.Status >= 500:
			return exitServer
		}
		return exitUsage
	}
	switch core.Code(err) {
	case "not_found":
		return exitNotFound
	case "blob_damaged", "store_damaged":
		return exitDamaged
	case "internal":
		return exitServer
	}
	return exitUsage
}
