package mapping

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// Values are what a result says, by source. Dates are ISO 8601, a picture or file is base64; what is not known is absent.
type Values map[string]string

// Names of sources beyond the fields of an identity. They stand in files of hospitals and are frozen.
var others = []string{
	"portrait",
	"file.DG1", "file.DG2", "file.DG13", "file.DG14", "file.DG15", "file.SOD",
	"eligibility.state", "eligibility.code", "eligibility.text", "eligibility.asOf",
	"eligibility.card.code", "eligibility.card.from", "eligibility.card.to", "eligibility.card.registeredFacility",
	"eligibility.card.benefitRate", "eligibility.card.fiveYearsFrom", "eligibility.card.area",
	"eligibility.route.proposal", "eligibility.rate.basePercent", "eligibility.rate.percent",
	"verdict.passiveAuthentication", "verdict.chipAuthentication", "verdict.activeAuthentication", "verdict.documentValidity", "verdict.keyMatchesChip", "verdict.face",
	"checkinId", "state", "means", "desk", "operator.id", "visit.maLk", "visit.maBn", "startedAt", "finishedAt", "simulated",
}

var sources = func() []string {
	all := append(slices.DeleteFunc(checkin.AllFields(), func(n string) bool { return n == "noExpiry" }), others...)
	for _, tag := range claim.Tags {
		all = append(all, "claim."+tag)
	}
	slices.Sort(all)
	return all
}()

// Sources are all names that from and join may have, sorted: those of the identity as the protocol has them, and others.
// expiresAt is "Không thời hạn" where the card says that it does not expire.
func Sources() []string { return sources }

// binary says that a source is no text.
func binary(source string) bool { return source == "portrait" || strings.HasPrefix(source, "file.") }

// AboutInsurance says that a source comes from the insurer.
func AboutInsurance(source string) bool {
	tag, ok := strings.CutPrefix(source, "claim.")
	return strings.HasPrefix(source, "eligibility.") || ok && claim.FieldOf(tag) == ""
}

// noExpiry is what a card says that does not expire, in its own words.
const noExpiry = "Không thời hạn"

// Of takes a result apart. files are raw files of the chip, where they may be given.
func Of(r checkin.Result, files map[lds.FileID][]byte) Values {
	v := Values{}
	put := func(name, value string) {
		if value != "" {
			v[name] = value
		}
	}
	at := func(name string, t time.Time) {
		if !t.IsZero() {
			put(name, t.Format(time.RFC3339))
		}
	}
	put("checkinId", r.CheckinID)
	put("state", string(r.State))
	put("means", string(r.Means))
	put("desk", r.Desk)
	at("startedAt", r.StartedAt)
	at("finishedAt", r.FinishedAt)
	if r.Simulated {
		put("simulated", "true")
	}
	if r.Operator != nil {
		put("operator.id", r.Operator.ID)
	}
	if r.Visit != nil {
		put("visit.maLk", r.Visit.MaLK)
		put("visit.maBn", r.Visit.MaBN)
	}
	if i := r.Identity; i != nil {
		for name, text := range i.Texts() {
			put(name, *text)
		}
		if i.NoExpiry {
			put("expiresAt", noExpiry)
		}
	}
	if r.Portrait != nil {
		put("portrait", base64.StdEncoding.EncodeToString(r.Portrait.Data))
	}
	for id, raw := range files {
		name := "file." + strings.TrimPrefix(string(id), "EF_")
		if slices.Contains(others, name) {
			put(name, base64.StdEncoding.EncodeToString(raw))
		}
	}
	for tag, text := range r.Claim {
		if slices.Contains(claim.Tags, tag) {
			put("claim."+tag, text)
		}
	}
	if d := r.Verdicts; d != nil {
		for name, s := range map[string]lds.Status{
			"passiveAuthentication": d.PassiveAuthentication.Status, "chipAuthentication": d.ChipAuthentication.Status,
			"activeAuthentication": d.ActiveAuthentication.Status, "documentValidity": d.DocumentValidity.Status,
			"keyMatchesChip": d.KeyMatchesChip.Status, "face": d.Face.Status,
		} {
			put("verdict."+name, string(s))
		}
	}
	if e := r.Eligibility; e != nil {
		v.eligibility(put, e)
	}
	return v
}

func (v Values) eligibility(put func(name, value string), e *insurance.Eligibility) {
	put("eligibility.state", string(e.State))
	put("eligibility.code", e.Code)
	put("eligibility.text", e.Text)
	if !e.AsOf.IsZero() {
		put("eligibility.asOf", e.AsOf.Format(time.RFC3339))
	}
	if c := e.Card; c != nil {
		put("eligibility.card.code", c.Code)
		put("eligibility.card.from", c.From)
		put("eligibility.card.to", c.To)
		put("eligibility.card.registeredFacility", c.RegisteredFacility)
		put("eligibility.card.fiveYearsFrom", c.FiveYearsFrom)
		put("eligibility.card.area", c.Area)
		if c.BenefitRate != 0 {
			put("eligibility.card.benefitRate", strconv.Itoa(c.BenefitRate))
		}
	}
	if e.Route != nil {
		put("eligibility.route.proposal", e.Route.Proposal)
	}
	if r := e.Rate; r != nil {
		if r.BasePercent != 0 {
			put("eligibility.rate.basePercent", strconv.Itoa(r.BasePercent))
		}
		if r.Percent != nil {
			put("eligibility.rate.percent", strconv.FormatFloat(*r.Percent, 'f', -1, 64))
		}
	}
}
