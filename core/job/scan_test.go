package job

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

const written = `{"id":"a\u003c\"\\","tenant":"t","spec":{"routine":"models/sir","labels":{"k":"v","\"":"\\"},` +
	`"request":{"key":"k","digest":"d"},"params":{"a":[1,2,{"b":"]}"}]}},"phase":"completed","pinned":true,` +
	`"outcome":{"result":[1,2],"tables":[{"name":"x","rows":2,"digest":"e","bytes":7}],"log":{"digest":"f","bytes":8}}}`

func TestBriefDecodesWhatItIsFor(t *testing.T) {
	var r Record
	assert.NoError(t, Brief([]byte(written), &r))
	assert.Equal(t, Record{
		ID: `a<"\`, Tenant: "t", Phase: Completed, Pinned: true,
		Spec: Spec{Routine: "models/sir", Labels: map[string]string{"k": "v", `"`: `\`}, Request: &Request{Key: "k", Digest: "d"}},
		Outcome: &Outcome{
			Result: json.RawMessage("[1,2]"),
			Tables: []Table{{Blob: Blob{Digest: "e", Bytes: 7}}}, Log: &Log{Blob: Blob{Digest: "f", Bytes: 8}},
		},
	}, r)
}

func TestARecordCutShortIsNoRecord(t *testing.T) {
	for n := range written {
		assert.Error(t, Brief([]byte(written[:n]), new(Record)), "%s", written[:n])
	}
}

// FuzzBrief: whatever it is given, it ends, and what decodes whole decodes briefly.
func FuzzBrief(f *testing.F) {
	for _, seed := range []string{written, "{}", "null", `{"a":}`, `{"spec":{"labels":null}}`, "{\"id\":\"\\", `{"outcome":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var whole Record
		if json.Unmarshal(data, &whole) != nil {
			_ = Brief(data, new(Record))
			return
		}
		again, err := json.Marshal(whole)
		assert.NoError(t, err)
		var brief Record
		assert.NoError(t, Brief(again, &brief), "%s", again)
		assert.Equal(t, whole.ID, brief.ID)
		assert.Equal(t, whole.Spec.CacheKey, brief.Spec.CacheKey)
	})
}
