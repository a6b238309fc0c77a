package registry

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"thresher/core"
	"thresher/core/jsonsize"
	"thresher/core/routine"
	"thresher/plugins/sandbox"
	"thresher/plugins/sandbox/vet"
)

// fits holds a record against the bound of its kind.
func fits(t require.TestingT, record any, bound int) {
	raw, err := json.Marshal(record)
	require.NoError(t, err)
	require.LessOrEqual(t, len(raw), bound)
}

// noise is text of any length, of what takes up to six bytes in JSON.
func noise(t *rapid.T, name string, lengths ...int) string {
	piece := rapid.SampledFrom([]string{"<", "\x01", "\xff", "\u2028", "a", "é"}).Draw(t, name)
	return strings.Repeat(piece, rapid.SampledFrom(lengths).Draw(t, name+" times")/len(piece))
}

var (
	late       = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", -14*3600))
	longName   = strings.Repeat("n", maxName)
	longDigest = strings.Repeat("f", 64)
)

// found is a module before its verification, and what came of that.
type found struct {
	module Module
	report sandbox.Report
	why    *sandbox.Refused
}

// drawn are manifests, names and results as large as modules can make them.
func drawn(t *rapid.T) found {
	texts := []int{0, 100, 5000, 20_000}
	by := noise(t, "by", maxBy)
	f := found{
		module: Module{
			Tenant: longName, Digest: longDigest, Bytes: math.MaxInt64, Phase: Verifying, Activate: true, Attempts: 5, Uploaded: Who{by, late},
			Signature: &Signature{Key: keyID(math.MaxUint64), Name: by, Comment: noise(t, "comment", MaxSignature)},
		},
		report: sandbox.Report{Digest: longDigest, Bytes: math.MaxInt64, Plain: noise(t, "plain", texts...)},
		why: &sandbox.Refused{
			Code: "example_failed", Check: "examples", Detail: noise(t, "detail", texts...), Place: noise(t, "place", texts...),
			Found: noise(t, "found", texts...), Want: noise(t, "want", texts...), Docs: "/docs/errors#example_failed",
			Where: &vet.Refusal{Name: noise(t, "function", texts...), Detail: noise(t, "where", texts...)},
		},
	}
	if rapid.Bool().Draw(t, "described") {
		f.report.Plugin = &core.Plugin{Manifest: routine.Manifest{Name: longName, Summary: noise(t, "summary", 0, 100_000, 600_000)}}
	}
	for i := range rapid.SampledFrom([]int{0, 32, 4000}).Draw(t, "examples") {
		f.report.Examples = append(f.report.Examples, sandbox.ExampleReport{Routine: longName, Name: fmt.Sprint(longName, i), Passed: true, Seconds: math.MaxFloat64})
	}
	return f
}

func TestAModulesRecordFitsWhateverWasFound(t *testing.T) {
	t.Parallel()
	for seed := range 25 { // each draw is up to a megabyte
		f := rapid.Custom(drawn).Example(seed)
		m, r := f.module, f.report
		rejected, err := m.reject(f.why, late)
		require.NoError(t, err)
		fits(t, rejected, maxModuleRecord)
		assert.Equal(t, f.why.Code, rejected.Report.Refusal.Code)

		r.Refusal = f.why
		refused, err := m.decide(r, late)
		require.NoError(t, err)
		fits(t, refused, maxModuleRecord)
		assert.Equal(t, f.why.Code, refused.Report.Refusal.Code)

		r.Refusal, r.Accepted = nil, true
		if reportSize(r) > maxReport {
			continue // examine refuses it
		}
		accepted, err := m.decide(r, late)
		require.NoError(t, err)
		fits(t, accepted, maxModuleRecord)
		assert.Equal(t, r.Plugin, accepted.Report.Plugin, "nothing is left out of what was accepted")
		taken, err := accepted.reject(f.why, late)
		require.NoError(t, err)
		fits(t, taken, maxModuleRecord)
	}
}

// TestAPluginsRecordFitsWhateverIsNoted adds as many versions as there may be, and notes
// as much of each as is taken: what is refused is refused by the event, not by the store.
func TestAPluginsRecordFitsWhateverIsNoted(t *testing.T) {
	t.Parallel()
	p := Plugin{Tenant: longName, Name: longName}
	apply := func(e Event) (err error) { p, err = p.Apply(e); return err }
	who := Who{strings.Repeat("\x01", maxBy), late}
	note, short := strings.Repeat("<", MaxNote), strings.Repeat("x", freeNote-2)
	refused := 0
	for n := range MaxVersions {
		version := fmt.Sprintf("%d.0.0-", n)
		version += strings.Repeat("v", routine.MaxVersion-len(version))
		require.NoError(t, apply(Add{version, longDigest, true, who}))
		if refused == 0 {
			if err := apply(Deprecate{version, note}); err != nil {
				assert.Equal(t, "registry_full", core.Code(err))
				assert.ErrorContains(t, err, "the limit is 245760")
				refused++
			}
		}
		if refused > 0 {
			require.NoError(t, apply(Deprecate{version, short}), "there is always room for a short note")
		}
		require.NoError(t, apply(Disable{version, short}))
		p.Versions[n].Gone = late
	}
	assert.Positive(t, refused)
	fits(t, p, maxPluginRecord)
	require.NoError(t, apply(Deprecate{p.Versions[0].Version, note[1:]}), "a shorter note is always taken")
	require.NoError(t, apply(Deprecate{p.Versions[0].Version, ""}))
}

func TestAKeysRecordFits(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("\x01", maxBy)
	fits(t, Key{ID: keyID(math.MaxUint64), Key: strings.Repeat("k", 56), Name: name, Trusted: Who{name, late}, Revoked: &late}, maxKeyRecord)
}

func TestACutRefusalIsMarked(t *testing.T) {
	t.Parallel()
	why := &sandbox.Refused{Detail: strings.Repeat("<", maxText)}
	short := cutTexts(why)
	assert.True(t, strings.HasSuffix(short.Detail, jsonsize.Mark))
	assert.LessOrEqual(t, jsonsize.String(short.Detail)-2, maxText)
	assert.Len(t, why.Detail, maxText, "what was given is not touched")
}
