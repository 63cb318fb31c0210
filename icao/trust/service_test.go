package trust_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// ministry is a state's verification service as a test double: it knows the EF.SODs of the cards that it has issued.
type ministry struct {
	issued [][]byte
	down   bool
	asked  int
}

func (m *ministry) Verify(ctx context.Context, e trust.Evidence) (trust.Opinion, error) {
	m.asked++
	if err := ctx.Err(); err != nil {
		return trust.Opinion{}, err
	}
	if m.down {
		return trust.Opinion{}, errors.New("the service is not reached")
	}
	o := trust.Opinion{Service: "ministry", Status: lds.Failed, Reason: lds.ReasonSignatureInvalid, Code: "02", At: e.At}
	for _, sod := range m.issued {
		if bytes.Equal(sod, e.SOD) {
			o.Status, o.Reason, o.Code = lds.Passed, "", "00"
		}
	}
	return o, nil
}

var _ trust.Service = (*ministry)(nil)

// What an adapter is held to: an opinion only where there is one, an end with the context, and the evidence left as it was.
func TestService(t *testing.T) {
	at := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	sod := []byte{0x77, 0x01, 0x00}
	m := &ministry{issued: [][]byte{bytes.Clone(sod)}}
	e := trust.Evidence{SOD: sod, Groups: map[lds.FileID][]byte{lds.DG(1): groupFiles[1]}, At: at}
	if o, err := m.Verify(t.Context(), e); err != nil || o.Status != lds.Passed || o.Reason != "" || o.Service == "" || !o.At.Equal(at) {
		t.Errorf("%+v, %v", o, err)
	}
	e.SOD = []byte{0x77, 0x01, 0x01}
	if o, err := m.Verify(t.Context(), e); err != nil || o.Status != lds.Failed || o.Reason == "" {
		t.Errorf("%+v, %v", o, err)
	}
	m.down = true
	if o, err := m.Verify(t.Context(), e); err == nil || o != (trust.Opinion{}) {
		t.Errorf("a service that is down has the opinion %+v", o)
	}
	m.down = false
	ended, stop := context.WithCancel(t.Context())
	stop()
	if o, err := m.Verify(ended, e); !errors.Is(err, context.Canceled) || o != (trust.Opinion{}) {
		t.Errorf("%+v, %v", o, err)
	}
}
