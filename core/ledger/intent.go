package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// A batch goes to disk with one sync at its end. Before that, JetStream (nats-server
// 2.15.2, syncBlocks) may already have taken away for good what the batch replaces: it
// has written an older block anew without that, or removed one in which nothing else
// was. A power cut in between would leave neither the old records nor the new.
//
// So what a batch replaces records by is written down, and synced, before the batch
// is sent. The next start writes those of them again of which nothing is left.
//
// The file holds the last such batch:
//
//	4 bytes  CRC-32C of the rest of it
//	4        how many bytes follow
//	8        the newest revision before the batch
//	4        how many writes were in the batch
//	         for each that replaces a record: the revision that it replaces, 8
//	         bytes; the lengths of key and data, 4 bytes each, the first with a bit
//	         for a deletion; key, data
//
// all numbers little endian.
type intents struct {
	file   *os.File
	buffer []byte
}

const (
	intentHead    = 8
	intentDeletes = 1 << 31 // in the length of the key
)

// openIntents opens the file of a store, or returns nil if its writes need not survive
// a power cut.
func (l *Ledger) openIntents(store string) (*intents, error) {
	if l.sync != SyncAlways {
		return nil, nil
	}
	dir := filepath.Join(l.room.dir, "intents")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, store), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &intents{file: f}, errors.Join(syncFolder(dir), syncFolder(l.room.dir))
}

func (i *intents) close() {
	if i != nil {
		_ = i.file.Close() // what matters was synced
	}
}

// writeDown writes down what a batch is about to replace records by.
func writeDown[T any](i *intents, newest uint64, batch []*write[T]) error {
	if i == nil {
		return nil
	}
	b := append(i.buffer[:0], make([]byte, intentHead)...)
	b = binary.LittleEndian.AppendUint64(b, newest)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(batch)))
	head := len(b)
	for _, w := range batch {
		if w.expected == 0 {
			continue
		}
		key := uint32(len(w.key))
		if w.value == nil {
			key |= intentDeletes
		}
		b = binary.LittleEndian.AppendUint64(b, w.expected)
		b = binary.LittleEndian.AppendUint32(b, key)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(w.data)))
		b = append(append(b, w.key...), w.data...)
	}
	i.buffer = b
	if len(b) == head {
		return nil // it replaces nothing
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-intentHead))
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	if _, err := i.file.WriteAt(b, 0); err != nil {
		return err
	}
	return syncData(i.file)
}

// void forgets a batch that was not committed as one: what comes of its writes now is
// not the batch's. Should that fail, a start may write a record again that was deleted
// since, if nothing else was written.
func (i *intents) void(log *slog.Logger) {
	if i == nil {
		return
	}
	if err := cmp.Or(i.file.Truncate(0), syncData(i.file)); err != nil {
		log.Warn("a batch that was not committed could not be struck out", "file", i.file.Name(), "error", err)
	}
}

// read returns the batch that was written down last, or nothing if that was cut short:
// then the batch was not sent.
func (i *intents) read() (newest uint64, writes int, replaced []intent, err error) {
	info, err := i.file.Stat()
	if err != nil {
		return 0, 0, nil, err
	}
	data := make([]byte, info.Size())
	if _, err := i.file.ReadAt(data, 0); err != nil {
		return 0, 0, nil, err
	}
	next := func(n int) (part []byte) {
		n = min(n, len(data))
		part, data = data[:n], data[n:]
		return part
	}
	if len(data) < intentHead {
		return 0, 0, nil, nil
	}
	sum := binary.LittleEndian.Uint32(data)
	size := int(binary.LittleEndian.Uint32(data[4:]))
	if data = data[:min(intentHead+size, len(data))]; crc32.Checksum(data[4:], castagnoli) != sum {
		return 0, 0, nil, nil
	}
	next(intentHead)
	newest, writes = binary.LittleEndian.Uint64(next(8)), int(binary.LittleEndian.Uint32(next(4)))
	for len(data) > 0 {
		replaces, key, value := binary.LittleEndian.Uint64(next(8)), binary.LittleEndian.Uint32(next(4)), binary.LittleEndian.Uint32(next(4))
		replaced = append(replaced, intent{
			replaces: replaces,
			key:      string(next(int(key &^ intentDeletes))),
			data:     next(int(value)),
			deletes:  key&intentDeletes != 0,
		})
	}
	return newest, writes, replaced, nil
}

// intent is what was to replace a record.
type intent struct {
	replaces uint64
	key      string
	data     []byte
	deletes  bool
}

// redo writes again what the last batch was to replace records by, where neither is
// there any more. Nobody writes to the store yet.
func (s *Store[T]) redo(ctx context.Context) error {
	if s.intents == nil {
		return nil
	}
	newest, writes, replaced, err := s.intents.read()
	if err != nil || len(replaced) == 0 {
		return err
	}
	info, err := s.stream.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.LastSeq > newest+uint64(writes) {
		return nil // something was written after the batch, so that was on disk
	}
	again := 0
	for _, r := range replaced {
		last := uint64(0)
		switch m, err := s.lastMessage(r.key); {
		case err == nil && m.Sequence >= r.replaces:
			continue
		case err == nil: // it was replaced long ago, and only the one that replaced it hid it
			last = m.Sequence
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return err
		}
		w := &write[T]{key: r.key, data: r.data, value: new(T)}
		if r.deletes {
			w.value = nil
		}
		if _, err := s.request(s.message(w, last)); err != nil {
			return fmt.Errorf("write %s again: %w", r.key, err)
		}
		again++
	}
	if again > 0 {
		s.ledger.log.Warn("records were being replaced when the power was cut: they are written again", "store", s.kind, "records", again)
	}
	return nil
}
