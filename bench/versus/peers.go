package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// asynqOnRedis runs asynq with its defaults, but for as many workers as the others.
// Its client hears of the end in the process, from the handler: sooner than asynq
// would tell it.
func asynqOnRedis(ctx context.Context, dir string) (func(context.Context) error, func(), error) {
	exe, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, fmt.Errorf("redis-server: %w", errAbsent)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	stopRedis, err := startServer(exe, nil, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning")
	if err != nil {
		return nil, nil, err
	}
	redis := asynq.RedisClientOpt{Addr: address, PoolSize: workers}
	c := asynq.NewClient(redis)
	if err := until(ctx, c.Ping); err != nil {
		return nil, stopRedis, err
	}
	var ends sync.Map // task → channel
	server := asynq.NewServer(redis, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel})
	err = server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		if done, ok := ends.LoadAndDelete(string(t.Payload())); ok {
			close(done.(chan struct{}))
		}
		return nil
	}))
	var n atomic.Int64
	do := func(ctx context.Context) error {
		name, done := fmt.Sprint(n.Add(1)), make(chan struct{})
		ends.Store(name, done)
		if _, err := c.EnqueueContext(ctx, asynq.NewTask("nothing", []byte(name))); err != nil {
			return err
		}
		return within(ctx, done)
	}
	return do, func() { server.Shutdown(); _ = c.Close(); stopRedis() }, err
}

func within(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Minute):
		return errors.New("no result within a minute")
	}
}

type nothing struct{}

func (nothing) Kind() string { return "nothing" }

type worker struct{ river.WorkerDefaults[nothing] }

func (worker) Work(context.Context, *river.Job[nothing]) error { return nil }

const postgresBin = "/usr/lib/postgresql/15/bin"

// riverOnPostgres runs River with its defaults, but for as many workers as the
// others. Its client hears of the end from River's own subscription.
func riverOnPostgres(ctx context.Context, dir string) (func(context.Context) error, func(), error) {
	db, stopPostgres, err := startPostgres(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	driver := riverpgxv5.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, stopPostgres, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, stopPostgres, err
	}
	known := river.NewWorkers()
	river.AddWorker(known, worker{})
	c, err := river.NewClient(driver, &river.Config{Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}, Workers: known})
	if err != nil {
		return nil, stopPostgres, err
	}
	events, cancel := c.SubscribeConfig(&river.SubscribeConfig{ChanSize: 10_000, Kinds: []river.EventKind{river.EventKindJobCompleted}})
	if err := c.Start(ctx); err != nil {
		return nil, stopPostgres, err
	}
	ends := ended{waiting: map[int64]chan struct{}{}, early: map[int64]bool{}}
	go func() {
		for e := range events {
			ends.end(e.Job)
		}
	}()
	do := func(ctx context.Context) error {
		j, err := c.Insert(ctx, nothing{}, nil)
		if err != nil {
			return err
		}
		return within(ctx, ends.of(j.Job.ID))
	}
	return do, func() {
		_ = c.Stop(context.WithoutCancel(ctx)) // the end of a benchmark
		cancel()
		db.Close()
		stopPostgres()
	}, nil
}

// ended tells those who submitted of the end of their job, also where it came first.
type ended struct {
	mu      sync.Mutex // guards both
	waiting map[int64]chan struct{}
	early   map[int64]bool
}

func (e *ended) of(id int64) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	done := make(chan struct{})
	if e.early[id] {
		delete(e.early, id)
		close(done)
	} else {
		e.waiting[id] = done
	}
	return done
}

func (e *ended) end(j *rivertype.JobRow) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if done, ok := e.waiting[j.ID]; ok {
		close(done)
		delete(e.waiting, j.ID)
	} else {
		e.early[j.ID] = true
	}
}

// startPostgres makes a database in a folder and runs it, as another user where
// this one is root: PostgreSQL refuses root.
func startPostgres(ctx context.Context, dir string) (*pgxpool.Pool, func(), error) {
	if _, err := os.Stat(postgresBin); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", postgresBin, errAbsent)
	}
	var as []string
	if os.Getuid() == 0 {
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	if err := os.Chmod(dir, 0o777); err != nil { // past the umask: the other user makes its folder in it
		return nil, nil, err
	}
	data := filepath.Join(dir, "data")
	line := append(append([]string{}, as...), filepath.Join(postgresBin, "initdb"), "-D", data, "-A", "trust", "-U", "postgres")
	initdb := exec.CommandContext(ctx, line[0], line[1:]...)
	initdb.Dir = "/"
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	stop, err := startServer(filepath.Join(postgresBin, "postgres"), as, "-D", data, "-p", port, "-h", "127.0.0.1", "-k", "")
	if err != nil {
		return nil, nil, err
	}
	config, err := pgxpool.ParseConfig("postgres://postgres@" + address + "/postgres")
	if err != nil {
		return nil, stop, err
	}
	config.MaxConns = workers
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, stop, err
	}
	return db, stop, until(ctx, func() error { return db.Ping(ctx) })
}
