package core

import (
	"bytes"
	"strconv"
	"sync"

	"thresher/core/guard"
	"thresher/core/job"
	"thresher/core/ledger"
)

// pages are pages of jobs as they were sent last. Many clients ask for the same
// few again and again, most often with nothing written meanwhile. A page is good for
// as long as the revision at which it was found is the newest: a reader asks for that
// first, so that it is never shown less than what was acknowledged before it asked.
type pages struct{ kept *guard.Value[keptPages] }

type keptPages struct {
	revision uint64 // at which all were found
	byKey    map[string][]byte
	size     int // bytes, of keys and pages
}

// mostPages is how many bytes of pages are kept. A page of 100 has some 100 kB.
const mostPages = 4 << 20

func newPages() pages {
	return pages{guard.New("pages", guard.RankPages, keptPages{byKey: map[string][]byte{}})}
}

// at returns the page for a key at a revision, or nil.
func (p pages) at(revision uint64, key []byte) (page []byte) {
	p.kept.Must(func(k *keptPages) {
		if k.revision == revision {
			page = k.byKey[string(key)]
		}
	})
	return page
}

// keep keeps a page, unless there are newer ones.
func (p pages) keep(revision uint64, key, page []byte) {
	size := len(key) + len(page)
	p.kept.Must(func(k *keptPages) {
		if revision < k.revision || size > mostPages {
			return
		}
		if revision > k.revision || k.size+size > mostPages {
			clear(k.byKey)
			k.revision, k.size = revision, 0
		}
		if _, there := k.byKey[string(key)]; !there {
			k.byKey[string(key)] = page
			k.size += size
		}
	})
}

// pageKey tells queries apart. Terms are quoted: users choose what is in them.
func pageKey(q ledger.Query) []byte {
	key := strconv.AppendInt(make([]byte, 0, 128), int64(q.Limit), 10)
	for _, bound := range []string{q.Before, q.Low, q.High} {
		key = strconv.AppendQuote(key, bound)
	}
	for _, term := range q.Terms {
		key = strconv.AppendQuote(key, term)
	}
	return key
}

// pageBuffers are for pages that are being encoded, so that one is allocated once
// its size is known.
var pageBuffers = sync.Pool{New: func() any { return new([]byte) }}

// encodePage encodes a page, and reports whether its revision says all of it. It
// does not of jobs that have not ended: what is known beside their records is shown
// too. Those that have ended are not decoded: what was written of them is shown.
func (e *Engine) encodePage(found ledger.Page[job.Record]) (page []byte, lasting bool) {
	buffer := pageBuffers.Get().(*[]byte)
	defer pageBuffers.Put(buffer)
	to := append((*buffer)[:0], `{"jobs":[`...)
	lasting = found.Revision != 0
	for i, one := range found.Records {
		if i > 0 {
			to = append(to, ',')
		}
		if !one.AtRest() {
			to = append(to, encode(e.view(one.Entry()))...)
			lasting = false
			continue
		}
		to = one.AppendJSON(to)
		to = append(to[:len(to)-1], `,"revision":`...) // in place of the brace
		to = append(strconv.AppendUint(to, one.Revision, 10), '}')
	}
	to = append(to, ']')
	if found.Next != "" {
		to = append(append(to, `,"next":`...), encode(found.Next)...)
	}
	*buffer = append(to, '}')
	return bytes.Clone(*buffer), lasting
}
