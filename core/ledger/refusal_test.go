package ledger

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
)

func TestRefusalsOfJetStreamAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code jetstream.ErrorCode
		says string
		want error
	}{
		{10071, "wrong last sequence: 7", ErrConflict},
		{10164, "wrong last sequence", ErrConflict},
		{10077, "write: no space left on device", ErrDiskFull},
		{10077, "write: input/output error", nil},
		{10023, "insufficient resources", ErrDiskFull},
		{10047, "insufficient storage resources available", ErrDiskFull},
		{10060, "expected stream does not match", nil},
	} {
		err := refusal(&jetstream.APIError{ErrorCode: c.code, Description: c.says})
		assert.Error(t, err)
		for _, known := range []error{ErrConflict, ErrDiskFull} {
			assert.Equal(t, known == c.want, errors.Is(err, known), "%d %s is %v", c.code, c.says, known)
		}
	}
}
