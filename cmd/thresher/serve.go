package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"thresher/core"
	"thresher/core/ledger"
	"thresher/server"
)

// serveFlags say how a server works.
type serveFlags struct {
	Listen   string        `help:"Address to listen on. Only this machine's own: there are no keys." default:"127.0.0.1:5000"`
	Data     string        `help:"Folder that everything is kept in." default:"./thresher-data" type:"path"`
	Sync     string        `help:"When a write is on disk: always (before it is acknowledged) or interval (seconds later; a power cut loses the newest)." default:"always" enum:"always,interval"`
	Slots    int           `help:"Jobs that run at once; 0: as many as cores." default:"0"`
	QueueCap int           `help:"Jobs that may wait; 0: 10000." default:"0"`
	Plugins  string        `help:"Folder with more plugins (*.wasm) to load." type:"path"`
	Drain    time.Duration `help:"How long running jobs may take to end at shutdown; the rest run again at the next start." default:"10s"`
	LogLevel slog.Level    `help:"debug, info, warn or error." default:"info"`
}

type serveCmd struct {
	serveFlags `embed:""`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, io streams) error {
	return serve(ctx, c.serveFlags, io, func(context.Context, string) error { return nil })
}

// serve starts a server, calls ready with its address, and serves until ctx ends
// or ready fails.
func serve(ctx context.Context, f serveFlags, io streams, ready func(ctx context.Context, url string) error) (err error) {
	if err := server.CheckListen(f.Listen); err != nil {
		return &core.Invalid{Field: "listen", Message: err.Error()}
	}
	log := slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: f.LogLevel}))
	slog.SetDefault(log)
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return err
	}
	listener, err := listen(f.Listen)
	if err != nil {
		return err
	}
	e, closeEngine, err := openEngine(context.WithoutCancel(ctx), core.Config{
		Dir: f.Data, Sync: ledger.Sync(f.Sync), Log: log,
		Limits: core.Limits{Slots: f.Slots, QueueCap: f.QueueCap},
	}, filepath.Join(f.Data, "cache"), f.Plugins)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s := server.New(server.Config{Version: version, Log: log}, e)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	fmt.Fprintf(io.err, "Thresher %s serves %s, data in %s\n", version, url, f.Data)

	readyErr := ready(ctx, url)
	if readyErr == nil {
		select {
		case <-ctx.Done():
		case err := <-served:
			readyErr = fmt.Errorf("serve: %w", err)
			served <- nil
		}
	}
	fmt.Fprintln(io.err, "Shutting down: waiting for running jobs")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.Drain)
	defer cancel()
	closeErr := closeEngine(drain)
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelEnd()
	shutdownErr := s.Shutdown(end)
	select {
	case err := <-served:
		return errors.Join(readyErr, closeErr, shutdownErr, err)
	case <-end.Done(): // connections that idle are cut off by the process's end
		return errors.Join(readyErr, closeErr, shutdownErr)
	}
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &core.Invalid{Field: "listen", Message: fmt.Sprintf("%s is in use by another program: choose another port with --listen 127.0.0.1:PORT", address)}
	}
	return l, err
}
