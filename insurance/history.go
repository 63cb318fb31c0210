package insurance

import (
	"context"
	"time"
)

// Bounds of the lists of an answer.
const (
	MaxLookUps = 50
	MaxVisits  = 200
)

// LookUp says that another facility looked a card up: of use against a card that several people use on one day.
type LookUp struct {
	Facility string    `json:"facility"`       // code of the facility, or its account where it has another form
	At       time.Time `json:"at,omitzero"`    // to the minute
	Code     string    `json:"code,omitempty"` // result code that it was given
}

// History is what a person was treated for, as the insurer has it: the most sensitive thing that it tells. It is asked for one
// caller that has the right to it, handed over and dropped; nothing of it is stored.
type History struct {
	AsOf   time.Time `json:"asOf,omitzero"`
	Code   string    `json:"code,omitempty"`   // raw result code of the insurer
	Reason string    `json:"reason,omitempty"` // id of the error, where there is no history because it could not be had
	Visits []Visit   `json:"visits,omitempty"` // newest first, at most MaxVisits
	More   bool      `json:"more,omitempty"`   // there were more
}

// Visit is one stay or consultation. The three coded values are the insurer's own.
type Visit struct {
	ID        string    `json:"id,omitempty"`
	Facility  string    `json:"facility,omitempty"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"` // zero: still there, or not said
	Diagnosis string    `json:"diagnosis,omitempty"`
	Discharge string    `json:"discharge,omitempty"` // tinhTrang: 1 discharged, 2 transferred, 3 left without leave, 4 on own request, 5 transferred on request
	Outcome   string    `json:"outcome,omitempty"`   // kqDieuTri: 1 cured, 2 better, 3 unchanged, 4 worse, 5 died
	Reason    string    `json:"reason,omitempty"`    // lyDoVV: 1 right route, 2 emergency, 3 off route, 4 without need of a referral
}

// HistoryProvider is a Provider that can also tell what a person was treated for. A failure of History says nothing about
// eligibility. Errors are those of Check.
type HistoryProvider interface {
	Provider
	History(ctx context.Context, r Request) (History, error)
}
