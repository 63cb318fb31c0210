package insurance

import (
	"context"
	"time"
)

// UnderRules is a provider whose answers are judged by the country's rules (Judge) before anybody sees them. The insurer is not
// told what the HIS said of the visit. It has a history where p has one.
func UnderRules(p Provider, f Facility, now func() time.Time) Provider {
	r := ruled{p, f, now}
	if h, ok := p.(HistoryProvider); ok {
		return ruledHistory{r, h}
	}
	return r
}

type ruled struct {
	Provider
	facility Facility
	now      func() time.Time
}

// Check implements Provider.
func (r ruled) Check(ctx context.Context, q Request) (Eligibility, error) {
	asked := q
	asked.Care = nil
	e, err := r.Provider.Check(ctx, asked)
	if err == nil {
		Judge(&e, q, r.facility, r.now())
	}
	return e, err
}

type ruledHistory struct {
	ruled
	history HistoryProvider
}

// History implements HistoryProvider.
func (r ruledHistory) History(ctx context.Context, q Request) (History, error) {
	q.Care = nil
	return r.history.History(ctx, q)
}
