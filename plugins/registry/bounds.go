package registry

import (
	"encoding/json"

	"thresher/core"
	"thresher/core/jsonsize"
	"thresher/core/routine"
	"thresher/plugins/sandbox"
)

// Bounds of the records of each kind, in bytes of JSON. As in core/recordbounds.go the
// bounds of their parts are added up, and the compiler holds the sums against them.
const (
	maxModuleRecord = core.MaxRecord
	maxPluginRecord = core.MaxRecord
	maxKeyRecord    = 4 << 10
)

// Bounds of parts. Texts of a refusal are cut where they are longer.
const (
	maxReport = 512 << 10 // of a verification's report, with the manifest
	maxText   = 4 << 10   // of each text of a refusal
	freeNote  = 100       // of a note that there is always room for
	maxNotes  = 240 << 10 // of all notes of a plugin, beyond that
)

const (
	maxName    = 64 // of tenants and plugins
	jsonDigest = 64 + 3
	jsonTime   = len("2006-01-02T15:04:05.999999999+00:00") + 3
	jsonWho    = jsonsize.PerByte*maxBy + jsonTime + len(`{"by":"","at":},`)

	jsonSignature = jsonsize.PerByte*(MaxSignature+maxBy) + 256
	moduleParts   = maxReport + 8*maxText + jsonSignature + maxName + jsonDigest + jsonWho + jsonTime + 1<<10

	jsonVersion = routine.MaxVersion + jsonDigest + 2*freeNote + 2*jsonTime +
		len(`{"version":"","digest":,"state":"disabled","added":,"reason":,"deprecated":,"gone":},`)
	jsonActivation = routine.MaxVersion + jsonWho + len(`{"version":"","how":"activate",`)
	pluginParts    = MaxVersions*jsonVersion + maxNotes + maxHistory*jsonActivation + maxBefore*(routine.MaxVersion+3) + 1<<10

	keyParts = jsonsize.PerByte*maxBy + jsonWho + jsonTime + 1<<10
)

// The parts fit: a negative constant is no uint.
const (
	_ = uint(maxModuleRecord - moduleParts)
	_ = uint(maxPluginRecord - pluginParts)
	_ = uint(maxKeyRecord - keyParts)
)

// bounded is a report that fits into a record. A manifest that does not fit is left out;
// examine refuses the module of one.
func bounded(r sandbox.Report) sandbox.Report {
	r.Refusal = cutTexts(r.Refusal)
	r.Plain = jsonsize.Cut(r.Plain, maxText)
	if reportSize(r) > maxReport {
		r.Plugin, r.Examples = nil, nil
	}
	return r
}

func reportSize(r sandbox.Report) int {
	raw, err := json.Marshal(r)
	if err != nil {
		panic("registry: report does not encode: " + err.Error())
	}
	return len(raw)
}

// cutTexts is a refusal whose texts, which may quote the module, are not long.
func cutTexts(why *sandbox.Refused) *sandbox.Refused {
	if why == nil {
		return nil
	}
	short := *why
	for _, text := range []*string{&short.Detail, &short.Place, &short.Found, &short.Want, &short.Docs} {
		*text = jsonsize.Cut(*text, maxText)
	}
	if short.Where != nil {
		where := *short.Where
		where.Name, where.Detail = jsonsize.Cut(where.Name, maxText), jsonsize.Cut(where.Detail, maxText)
		short.Where = &where
	}
	return &short
}

// annotate sets a note of a version. Long ones share the room that the record has.
func (p *Plugin) annotate(note *string, text string) error {
	total := noteSize(text) - noteSize(*note)
	if total > 0 {
		for _, v := range p.Versions {
			total += noteSize(v.Reason) + noteSize(v.Deprecated)
		}
		if total > maxNotes {
			return refuse("registry_full", "the notes of %s would take %d bytes, counting what each has beyond %d: the limit is %d; shorten this one or others",
				p.Name, total, freeNote, maxNotes)
		}
	}
	*note = text
	return nil
}

func noteSize(text string) int { return max(0, jsonsize.String(text)-freeNote) }
