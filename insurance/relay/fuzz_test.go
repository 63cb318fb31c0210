package relay

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// Whatever a relay says, it is one kind of error or a bounded answer that is marked as its.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"eligibility":{"state":"eligible","code":"000","card":{"code":"GD4010123456789","from":"2026-01-01","to":"2026-12-31"}},"raw":"e30="}`,
		`{"error":"rejected","code":"054"}`, `{"eligibility":{"state":"check","differences":[{"field":"fullName","kind":"value"}],"lookedUpBy":[{"facility":"79013"}]}}`, `{}`, `null`, `[]`, "\xff",
	} {
		f.Add(200, []byte(s))
	}
	now := time.Date(2026, 11, 23, 8, 15, 3, 0, insurance.Vietnam)
	c := &Client{cfg: Config{Now: func() time.Time { return now }}}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a, err := read(status, body)
		var e insurance.Eligibility
		if err == nil && a.Eligibility != nil {
			e, err = c.believe(*a.Eligibility, a.Raw, insurance.Request{})
		}
		if err != nil {
			n := 0
			for _, sentinel := range []error{insurance.ErrUnreachable, insurance.ErrRejected, insurance.ErrGarbage, insurance.ErrRequest} {
				if errors.Is(err, sentinel) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%v is %d kinds of error", err, n)
			}
			return
		}
		if a.Eligibility == nil {
			return
		}
		b, jerr := json.Marshal(e)
		if jerr != nil || e.Source != insurance.SourceRelay || e.History != nil || e.Route != nil || e.AsOf.After(now) || len(b) > 64<<10 {
			t.Errorf("%s %v", b, jerr)
		}
	})
}
