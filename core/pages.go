package core

import (
	"bytes"
	"strconv"
	"time"

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

// keep keeps a copy of a page, unless there are newer ones.
func (p pages) keep(revision uint64, key, page []byte) {
	size, page := len(key)+len(page), bytes.Clone(page)
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
	for _, bound := range []time.Time{q.From, q.To} {
		key = append(bound.UTC().AppendFormat(key, time.RFC3339Nano), '|')
	}
	for _, term := range q.Terms {
		key = strconv.AppendQuote(key, term)
	}
	for _, terms := range append(q.AnyOf, q.Prefixes) {
		key = append(key, '|')
		for _, term := range terms {
			key = strconv.AppendQuote(key, term)
		}
	}
	return key
}

// PageJSON is a page of jobs that is JSON already, or has been found and is yet to be
// encoded, into the buffer of who sends it.
type PageJSON struct {
	engine *Engine
	key    []byte
	kept   []byte
	found  ledger.Page[job.Record]
}

// Kept is the page, which must not be changed, or nil if it is yet to be encoded.
func (p PageJSON) Kept() []byte { return p.kept }

// AppendJSON adds the page. Jobs that have ended are not decoded for it: what was
// written of them is shown.
func (p PageJSON) AppendJSON(to []byte) []byte {
	if p.kept != nil {
		return append(to, p.kept...)
	}
	start := len(to)
	to = append(to, `{"jobs":[`...)
	// What is known of a job that has not ended, beside its record, is shown too, and
	// changes without a write.
	lasting := true
	for i, one := range p.found.Records {
		if i > 0 {
			to = append(to, ',')
		}
		if one.Live {
			to = append(to, encode(p.engine.view(one.Entry()))...)
			lasting = false
			continue
		}
		to = one.AppendJSON(to)
		to = append(to[:len(to)-1], `,"revision":`...) // in place of the brace
		to = append(strconv.AppendUint(to, one.Revision, 10), '}')
	}
	to = append(to, ']')
	if p.found.Next != "" {
		to = append(append(to, `,"next":`...), encode(p.found.Next)...)
	}
	to = append(to, '}')
	if lasting {
		p.engine.pages.keep(p.found.Revision, p.key, to[start:])
	}
	return to
}
