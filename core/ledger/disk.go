package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system below the store. The store takes an error of a write for
// the end of the program, so it gets none: where the disk is full the write waits until
// there is room again, and after any other error it waits for the end. Meanwhile reads
// go on, and new writes are refused.
type disk struct {
	vfs.FS
	log     *slog.Logger
	trouble atomic.Pointer[error] // why writes wait, if they do
	closing chan struct{}         // closed when writes need not be waited for any more
}

// newDisk wraps a file system; nil is the operating system's.
func newDisk(fs vfs.FS, log *slog.Logger) *disk {
	return &disk{FS: cmp.Or(fs, vfs.Default), log: log, closing: make(chan struct{})}
}

// able returns why writes wait, or nil.
func (d *disk) able() error {
	if why := d.trouble.Load(); why != nil {
		return *why
	}
	return nil
}

// insist does a write until it succeeds. It returns an error only once the ledger is
// being closed.
func (d *disk) insist(write func() error) error {
	err := write()
	if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		return err
	}
	if !isFull(err) {
		return d.give(err)
	}
	full := fmt.Errorf("%w: %w", ErrDiskFull, err)
	defer d.recovered(&full)
	for wait := 10 * time.Millisecond; err != nil; wait = min(2*wait, 500*time.Millisecond) {
		if d.trouble.CompareAndSwap(nil, &full) { // or another write said so, until it went on
			d.log.Error("store cannot write: disk full; writes wait for space", "error", err)
		}
		select {
		case <-d.closing:
			return err
		case <-time.After(wait):
		}
		if err = write(); err != nil && !isFull(err) {
			return d.give(err)
		}
	}
	return nil
}

// insistOn insists on a write of the store, but not on one of a check's copy of it.
func (d *disk) insistOn(name string, write func() error) error {
	if d.copies(name) {
		return write()
	}
	return d.insist(write)
}

// copies reports whether a file is of the copy that a check of all records makes.
func (d *disk) copies(name string) bool {
	return slices.Contains(strings.Split(filepath.ToSlash(name), "/"), checkFolder)
}

func (d *disk) recovered(full *error) {
	if d.trouble.CompareAndSwap(full, nil) {
		d.log.Info("store writes again")
	}
}

// give gives up: what the disk refused once it may have lost.
func (d *disk) give(err error) error {
	d.disable(err)
	<-d.closing
	return err
}

// disable refuses writes from now on.
func (d *disk) disable(err error) {
	why := fmt.Errorf("%w: restart the server once the disk works: %w", ErrDisabled, err)
	d.trouble.Store(&why)
	d.log.Error("store cannot write: restart the server once the disk works", "error", err)
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.insistOn(name, func() error { f, err = d.FS.Create(name, category); return err })
	return d.file(name, f), err
}

func (d *disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.insistOn(to, func() error { f, err = d.FS.ReuseForWrite(from, to, category); return err })
	return d.file(to, f), err
}

func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (f vfs.File, err error) {
	err = d.insistOn(name, func() error { f, err = d.FS.OpenReadWrite(name, category, opts...); return err })
	return d.file(name, f), err
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	var f vfs.File
	err := d.insistOn(name, func() (err error) { f, err = d.FS.OpenDir(name); return err })
	return d.file(name, f), err
}

func (d *disk) Rename(from, to string) error {
	return d.insistOn(to, func() error { return d.FS.Rename(from, to) })
}

func (d *disk) Link(from, to string) error {
	return d.insistOn(to, func() error { return d.FS.Link(from, to) })
}

func (d *disk) MkdirAll(dir string, perm os.FileMode) error {
	return d.insistOn(dir, func() error { return d.FS.MkdirAll(dir, perm) })
}

func (d *disk) file(name string, f vfs.File) vfs.File {
	if f == nil || d.copies(name) {
		return f
	}
	return &diskFile{f, d}
}

// diskFile is a file whose writes wait.
type diskFile struct {
	vfs.File
	disk *disk
}

func (f *diskFile) Write(p []byte) (written int, err error) {
	err = f.disk.insist(func() error {
		n, err := f.File.Write(p[written:])
		if written += n; err == nil && written < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
	return written, err
}

func (f *diskFile) WriteAt(p []byte, at int64) (written int, err error) {
	err = f.disk.insist(func() error {
		n, err := f.File.WriteAt(p[written:], at+int64(written))
		written += n
		return err
	})
	return written, err
}

func (f *diskFile) Preallocate(offset, length int64) error {
	if err := f.File.Preallocate(offset, length); !isFull(err) {
		return err
	}
	return nil // it only helps
}

func (f *diskFile) Sync() error     { return f.synced(f.File.Sync()) }
func (f *diskFile) SyncData() error { return f.synced(f.File.SyncData()) }

func (f *diskFile) SyncTo(length int64) (full bool, err error) {
	full, err = f.File.SyncTo(length)
	return full, f.synced(err)
}

// synced passes on that a sync went well. One that did not is not tried again, not on
// a full disk either: the next one would say that all is well.
func (f *diskFile) synced(err error) error {
	if err == nil {
		return nil
	}
	return f.disk.give(err)
}
