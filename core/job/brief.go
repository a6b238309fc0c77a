package job

import (
	"encoding/json"

	"thresher/core/routine"
)

// Brief decodes of a stored record what a start looks at where the job has ended:
// what lists are filtered by, the blobs that it names, what retention counts. A
// start on a million records takes little longer than that, and this is a quarter of
// decoding all. What it leaves out is zero.
func Brief(data []byte, r *Record) error {
	s := scan{json: string(data)}
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch s.name() {
		case "id":
			r.ID = s.text()
		case "tenant":
			r.Tenant = s.text()
		case "phase":
			r.Phase = Phase(s.text())
		case "cache_hit":
			r.CacheHit = s.text()
		case "pinned":
			r.Pinned = s.value() == "true"
		case "spec":
			s.spec(&r.Spec)
		case "outcome":
			r.Outcome = &Outcome{}
			s.outcome(r.Outcome)
		default:
			s.value()
		}
	}
	return s.err
}

func (s *scan) spec(spec *Spec) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch s.name() {
		case "routine":
			spec.Routine = s.text()
		case "version":
			spec.Version = s.text()
		case "digest":
			spec.Digest = s.text()
		case "kind":
			spec.Kind = routine.Kind(s.text())
		case "batch":
			spec.Batch = s.text()
		case "origin":
			spec.Origin = s.text()
		case "cache_key":
			spec.CacheKey = s.text()
		case "request":
			if err := json.Unmarshal([]byte(s.value()), &spec.Request); err != nil {
				s.fail()
			}
		case "labels":
			spec.Labels = map[string]string{}
			for more := s.open('{', '}'); more; more = s.more('}') {
				name := s.name()
				spec.Labels[name] = s.text()
			}
		default:
			s.value()
		}
	}
}

func (s *scan) outcome(o *Outcome) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch s.name() {
		case "result":
			o.Result = json.RawMessage(s.value())
		case "result_blob":
			o.ResultRef = &Blob{}
			s.blob(o.ResultRef)
		case "log":
			o.Log = &Log{}
			s.blob(&o.Log.Blob)
		case "tables":
			for more := s.open('[', ']'); more; more = s.more(']') {
				o.Tables = append(o.Tables, Table{})
				s.blob(&o.Tables[len(o.Tables)-1].Blob)
			}
		case "artifacts":
			for more := s.open('[', ']'); more; more = s.more(']') {
				o.Artifacts = append(o.Artifacts, Artifact{})
				s.blob(&o.Artifacts[len(o.Artifacts)-1].Blob)
			}
		default:
			s.value()
		}
	}
}

// blob decodes that part of an object.
func (s *scan) blob(b *Blob) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch s.name() {
		case "digest":
			b.Digest = s.text()
		case "bytes":
			b.Bytes = s.number()
		default:
			s.value()
		}
	}
}
