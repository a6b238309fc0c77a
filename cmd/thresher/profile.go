package main

import (
	"net/http"
	"net/http/pprof"
	"time"

	"thresher/core"
	"thresher/server"
)

// serveProfiles serves this process's profiles, as `go tool pprof` reads them, until
// the function that it returns is called. Without an address it serves none.
func serveProfiles(address string) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	if err := server.CheckListen(address); err != nil {
		return nil, &core.Invalid{Field: "pprof", Message: err.Error()}
	}
	listener, err := listen("pprof", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		_ = s.Serve(listener) // http.ErrServerClosed
		close(served)
	}()
	return func() {
		_ = s.Close() // a profile under way ends here
		<-served
	}, nil
}
