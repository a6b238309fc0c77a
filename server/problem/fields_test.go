package problem

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/humatest"
	"github.com/stretchr/testify/assert"
)

// What huma refuses is said with the value, and with what would be right.
func TestARefusedFieldShowsItsValueAndWhatWouldBeRight(t *testing.T) {
	before := huma.NewError
	huma.NewError = FromHuma
	t.Cleanup(func() { huma.NewError = before })
	_, api := humatest.New(t)
	huma.Post(api, "/x", func(context.Context, *struct {
		From  time.Time `query:"from"`
		Limit int       `query:"limit" minimum:"1" maximum:"9"`
		Phase []string  `query:"phase" enum:"a,b"`
		Fresh bool      `query:"fresh"`
		Body  struct {
			At    time.Time         `json:"at,omitempty"`
			Slots int               `json:"slots,omitempty" minimum:"0"`
			Names map[string]string `json:"names,omitempty"`
		}
	}) (*struct{}, error) {
		return nil, nil
	})
	for _, c := range []struct{ query, body, want string }{
		{"from=nonsense", `{}`, `query.from: "nonsense": ` + wantTime},
		{"limit=abc", `{}`, `query.limit: "abc": want an integer`},
		{"limit=0", `{}`, `query.limit: 0: want at least 1`},
		{"limit=10", `{}`, `query.limit: 10: want at most 9`},
		{"phase=a,c", `{}`, `query.phase[1]: "c": want one of a, b`},
		{"fresh=perhaps", `{}`, `query.fresh: "perhaps": want true or false`},
		{"", `{"at": "today"}`, `body.at: "today": ` + wantTime},
		{"", `{"slots": "many"}`, `body.slots: "many": want an integer`},
		{"", `{"slots": 1.5}`, `body.slots: 1.5: want an integer`},
		{"", `{"slots": -1}`, `body.slots: -1: want at least 0`},
		{"", `{"names": {"a": 1}}`, `body.names.a: 1: want a string`},
		{"", `{"names": []}`, `body.names: want an object`},
	} {
		answer := api.Post("/x?"+c.query, strings.NewReader(c.body), "Content-Type: application/json")
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code)
		assert.Contains(t, strings.ReplaceAll(answer.Body.String(), `\"`, `"`), `"detail":"`+c.want+`"`)
	}
}
