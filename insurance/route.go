package insurance

import (
	"slices"
	"time"
)

// Facility is the hospital or clinic that the desk belongs to, as its settings describe it. What is not set is not known, and
// a route that depends on it is not proposed.
type Facility struct {
	Code        string // five digits (MA_CSKCB)
	Level       string // LevelPrimary, LevelBasic, LevelSpecialised
	PrimaryKind string // of a first-level facility the code that is its own: "1.2" or "1.11"
	Points      int    // of its classification; 0: not known
	Provisional bool   // provisionally classed as basic level, without points
	FormerTier  string // TierCentral …, before 2025-01-01
}

// Levels of care (Luật 51/2024/QH15). The values stand in settings and are frozen.
const (
	LevelPrimary     = "ban_dau"
	LevelBasic       = "co_ban"
	LevelSpecialised = "chuyen_sau"
)

// Tiers of a facility before 2025-01-01. The values stand in settings and are frozen.
const (
	TierCentral    = "trung_uong"
	TierProvincial = "tinh"
	TierDistrict   = "huyen"
	TierCommune    = "xa"
	TierNone       = "khong" // it had none, or was not there
)

// Why no route is proposed: Route.Reason. The values go over the wire and are frozen.
const (
	ReasonFacilityCode  = "FACILITY_CODE_NOT_SET"
	ReasonFacilityLevel = "FACILITY_LEVEL_NOT_SET"
	ReasonFacilityKind  = "FACILITY_KIND_NOT_SET"
	ReasonPoints        = "FACILITY_POINTS_NOT_SET"
	ReasonPointsEdge    = "FACILITY_POINTS_AT_LIMIT"
	ReasonTier          = "FACILITY_TIER_NOT_SET"
	ReasonRegistered    = "REGISTERED_FACILITY_UNKNOWN"
	ReasonNoCode        = "NO_CODE_FITS"
	ReasonNoRules       = "NO_RULES_FOR_DAY"
)

// Why a rate is not decided: Rate.Reason, beside the ids of rules/exceptions.json.
const (
	ReasonCardLevel = "CARD_LEVEL_UNKNOWN"
	ReasonRouteOpen = "ROUTE_OPEN"
	ReasonRouteRate = "ROUTE_RATE_VARIES"
)

var openTexts = map[string][2]string{
	ReasonFacilityCode:  {"Chưa cấu hình mã cơ sở KCB (facility.code).", "The facility's code is not set (facility.code)."},
	ReasonFacilityLevel: {"Chưa cấu hình cấp chuyên môn của cơ sở (facility.level).", "The facility's level is not set (facility.level)."},
	ReasonFacilityKind:  {"Chưa cấu hình loại cơ sở cấp ban đầu (facility.primary_kind).", "The kind of first-level facility is not set (facility.primary_kind)."},
	ReasonPoints:        {"Chưa cấu hình số điểm xếp cấp (facility.points).", "The points of the facility's classification are not set (facility.points)."},
	ReasonPointsEdge:    {"Đúng 70 điểm: QĐ 3276 ghi 50 - 70, NĐ 188 ghi dưới 70; chưa kết luận được.", "Exactly 70 points: QĐ 3276 says 50 to 70, NĐ 188 under 70; nothing can be said."},
	ReasonTier:          {"Chưa cấu hình tuyến trước 2025 của cơ sở (facility.former_tier).", "The facility's tier before 2025 is not set (facility.former_tier)."},
	ReasonRegistered:    {"Chưa biết cơ sở đăng ký KCB ban đầu của thẻ.", "It is not known which facility the card is registered with."},
	ReasonNoCode:        {"Không có mã đối tượng nào phù hợp với những gì đã biết.", "No code fits what is known."},
	ReasonNoRules:       {"Chưa có bảng mã cho ngày này.", "There is no table of codes for this day."},
	ReasonCardLevel:     {"Mã thẻ không cho biết mức hưởng.", "The card's code does not say what it promises."},
	ReasonRouteOpen:     {"Mức hưởng còn tùy mã đối tượng, xác định khi kết thúc lượt khám.", "The rate depends on the route, which is decided when the visit ends."},
	ReasonRouteRate:     {"Mức hưởng theo mã này tùy từng trường hợp.", "Under this code the rate depends on the case."},
}

// holds is how sure a condition is. What is possible is taken for not so, as long as nobody says otherwise; of what is open
// nobody may take anything.
type holds int

const (
	no holds = iota
	possible
	open
	yes
)

// condition is what must be so for a route's code; what is not named does not matter.
type condition struct {
	Registered    bool     `json:"registered,omitempty"` // the card is registered with this facility
	Self          bool     `json:"self,omitempty"`       // came by themselves, and not as an emergency
	Level         []string `json:"level,omitempty"`
	Kind          string   `json:"kind,omitempty"`
	Points        []int    `json:"points,omitempty"` // from, and below
	Edge          int      `json:"edge,omitempty"`   // a score on which the sources disagree
	OrProvisional bool     `json:"orProvisional,omitempty"`
	Tier          []string `json:"tier,omitempty"`
	NotTier       []string `json:"notTier,omitempty"`
	Setting       string   `json:"setting,omitempty"`
	Ground        string   `json:"ground,omitempty"`
	Area          bool     `json:"area,omitempty"` // the card says K1, K2 or K3
	Medicine      bool     `json:"medicine,omitempty"`
	Uninsured     bool     `json:"uninsured,omitempty"`
	Unlikely      bool     `json:"unlikely,omitempty"` // depends on what no desk says: at most possible
	Except        []string `json:"except,omitempty"`   // not where these codes apply
}

// situation is what is known when a route is proposed.
type situation struct {
	day      time.Time
	facility Facility
	card     Card
	born     string
	covered  bool
	care     Care
}

func (s situation) told(ground string) bool { return slices.Contains(s.care.Grounds, ground) }

// holds says whether a row's conditions are met, and for an open one what is missing.
func (s situation) holds(r routeRow, all []routeRow) (holds, string) {
	result, missing := yes, ""
	and := func(h holds, reason string) {
		if h < result {
			result, missing = h, reason
		}
	}
	given := func(b bool) holds {
		if b {
			return yes
		}
		return no
	}
	w, f := r.When, s.facility
	uninsured := !s.covered || s.told(GroundSelfPaying)
	and(given(w.Uninsured == uninsured), "")
	and(given(w.Uninsured || w.Medicine == s.told(GroundMedicine)), "")
	if w.Unlikely {
		and(possible, "")
	}
	if w.Registered {
		switch {
		case s.card.RegisteredFacility == "":
			and(open, ReasonRegistered)
		case f.Code == "":
			and(open, ReasonFacilityCode)
		default:
			and(given(f.Code == s.card.RegisteredFacility), "")
		}
	}
	if w.Self {
		and(given(!s.told(GroundEmergency)), "")
	}
	if w.Level != nil {
		if f.Level == "" {
			and(open, ReasonFacilityLevel)
		} else {
			and(given(slices.Contains(w.Level, f.Level)), "")
		}
	}
	if w.Kind != "" {
		if f.PrimaryKind == "" {
			and(open, ReasonFacilityKind)
		} else {
			and(given(f.PrimaryKind == w.Kind), "")
		}
	}
	if w.Points != nil {
		switch {
		case f.Provisional:
			and(given(w.OrProvisional), "")
		case f.Points == 0:
			and(open, ReasonPoints)
		case f.Points == w.Edge:
			and(open, ReasonPointsEdge)
		default:
			and(given(w.Points[0] <= f.Points && f.Points < w.Points[1]), "")
		}
	}
	if w.Tier != nil || w.NotTier != nil {
		if f.FormerTier == "" {
			and(open, ReasonTier)
		} else {
			and(given(w.Tier == nil || slices.Contains(w.Tier, f.FormerTier)), "")
			and(given(!slices.Contains(w.NotTier, f.FormerTier)), "")
		}
	}
	if w.Area {
		and(given(s.card.Area != ""), "")
	}
	// What the HIS has not said is taken for an outpatient's visit without papers.
	if w.Setting != "" {
		switch {
		case s.care.Setting != "":
			and(given(s.care.Setting == w.Setting), "")
		case w.Setting != CareOutpatient:
			and(possible, "")
		}
	}
	if w.Ground != "" && !s.told(w.Ground) {
		if w.Ground == GroundNewborn && olderThanAYear(s.born, s.day) {
			and(no, "")
		}
		and(possible, "")
	}
	for _, other := range all {
		if !slices.Contains(w.Except, other.Code) {
			continue
		}
		switch h, why := s.holds(other, all); h {
		case yes:
			and(no, "")
		case open:
			and(open, why)
		}
	}
	return result, missing
}

// olderThanAYear is certainly so: a year alone is taken for its last day.
func olderThanAYear(born string, day time.Time) bool {
	if len(born) < 4 {
		return false
	}
	last := born + "-12-31"[min(6, max(0, len(born)-4)):]
	if len(born) == 7 {
		last = born + "-28"
	}
	t, err := time.ParseInLocation(time.DateOnly, last, Vietnam)
	return err == nil && t.AddDate(1, 0, 31).Before(day)
}

// propose gives the first code from the top that fits (QĐ 3276/QĐ-BYT, annex 1, note 2), with what would change it.
func (r Rules) propose(s situation, level levelRow) (Route, *routeRow) {
	if len(r.routes) == 0 {
		return undecided(ReasonNoRules), nil
	}
	type judged struct {
		row *routeRow
		h   holds
	}
	var list []judged
	var chosen *routeRow
	at, missing := 0, ""
	for i := range r.routes {
		row := &r.routes[i]
		if row.Desk != nil && !*row.Desk {
			continue
		}
		h, why := s.holds(*row, r.routes)
		if h == no {
			continue
		}
		if h == open && missing == "" && chosen == nil {
			missing = why
		}
		if h == yes && chosen == nil && missing == "" {
			chosen, at = row, len(list)
		}
		list = append(list, judged{row, h})
	}
	var out Route
	switch {
	case chosen != nil:
		out = Route{Proposal: chosen.Code, Reason: "CODE_" + chosen.Code, Text: chosen.Text, TextEN: chosen.TextEN, Source: chosen.Source}
	case missing != "":
		out = undecided(missing)
	default:
		out = undecided(ReasonNoCode)
	}
	for i, j := range list {
		p := effective(*j.row, level)
		switch {
		case j.row == chosen, chosen == nil && j.h == yes && j.row.If == "" && missing == "":
			continue
		case chosen != nil && i > at:
			// Further down the list, a code counts only if somebody finds that what comes before it does not apply.
			if mine := effective(*chosen, level); p == nil || mine == nil || *p <= *mine {
				continue
			}
		}
		if chosen != nil && j.row.Code == chosen.Code && j.row.If == "" {
			continue
		}
		when, whenEN := j.row.If, j.row.IfEN
		if when == "" {
			when, whenEN = j.row.Text, j.row.TextEN
		}
		out.Alternatives = append(out.Alternatives, RouteAlternative{Proposal: j.row.Code, Percent: p, When: when, WhenEN: whenEN, Source: j.row.Source})
	}
	return out, chosen
}

// ofCode gives the row of a code; nil where there is none, or where there are several and nobody says which.
func (r Rules) ofCode(code, setting string) (found *routeRow) {
	for i := range r.routes {
		row := &r.routes[i]
		if row.Code != code || setting != "" && row.When.Setting != "" && row.When.Setting != setting {
			continue
		}
		if found != nil {
			return nil
		}
		found = row
	}
	return found
}

func undecided(reason string) Route {
	t := openTexts[reason]
	return Route{Reason: reason, Text: t[0], TextEN: t[1]}
}

// effective is what of the covered cost is paid under a code, in percent; nil where that is not known.
func effective(r routeRow, level levelRow) *float64 {
	switch {
	case r.Percent == nil:
		return nil
	case r.Regardless, *r.Percent == 0:
		return r.Percent
	case level.Percent == 0:
		return nil
	}
	p := *r.Percent * float64(level.Percent) / 100
	return &p
}

// rate says what is paid under the proposed route, and whether that can still change.
func (r Rules) rate(route Route, chosen *routeRow, level levelRow, c *Continuity) Rate {
	out := Rate{BasePercent: level.Percent, Reason: level.ID, Text: level.Text, TextEN: level.TextEN, Source: level.Source}
	not := func(reason, source string) Rate {
		t := openTexts[reason]
		out.Reason, out.Text, out.TextEN = reason, t[0], t[1]
		if source != "" {
			out.Source = source
		}
		return out
	}
	if chosen == nil {
		if level.Percent == 0 {
			return not(ReasonCardLevel, "")
		}
		return not(ReasonRouteOpen, "")
	}
	switch out.Percent = effective(*chosen, level); {
	case chosen.Percent == nil:
		return not(ReasonRouteRate, chosen.Source)
	case out.Percent == nil:
		return not(ReasonCardLevel, "")
	}
	for _, a := range route.Alternatives {
		if a.Percent == nil || *a.Percent != *out.Percent {
			return not(ReasonRouteOpen, chosen.Source)
		}
	}
	if *out.Percent > 0 && !chosen.Regardless {
		for _, x := range r.exceptions {
			if slices.Contains(x.Levels, level.Level) && (!x.Continuity || c != nil && c.Reached) {
				out.Reason, out.Text, out.TextEN, out.Source = x.ID, x.Text, x.TextEN, x.Source
				return out
			}
		}
	}
	out.Decided = true
	if chosen.Regardless || *chosen.Percent != 100 {
		out.Reason, out.Text, out.TextEN, out.Source = route.Reason, chosen.Text, chosen.TextEN, chosen.Source
	}
	return out
}

// Judge adds to an answer what the country's rules make of it: the base rate of its card, five years without a gap, the route
// as a proposal, the rate that follows, and for each difference its likely cause and what the desk does. What cannot be
// known at a desk is said to be undecided. A route that the HIS itself supplied stays. It changes neither state nor advice.
func Judge(e *Eligibility, q Request, f Facility, now time.Time) {
	if !q.At.IsZero() {
		now = q.At
	}
	e.explainDifferences()
	if e.Source == SourceFHIR { // another insurer, with rules of its own
		e.Rate, e.Continuity, e.Route = nil, nil, nil
		return
	}
	supplied := e.Source == SourceSupplied && e.Route != nil && e.Route.Proposal != ""
	e.Rate, e.Continuity = nil, nil
	if !supplied {
		e.Route = nil
	}
	covered := e.State == Eligible || e.State == Check
	if e.Card == nil && covered || !covered && e.State != NotEligible {
		return
	}
	rules := At(now)
	var card Card
	if e.Card != nil {
		c := *e.Card
		card, e.Card = c, &c
	}
	level, _ := rules.level(card.Code)
	if covered {
		if level.Percent != 0 {
			e.Card.BenefitRate = level.Percent
		}
		if day := card.FiveYearsFrom; len(day) == len(time.DateOnly) && len(rules.continuity) > 0 {
			e.Continuity = &Continuity{From: day, Reached: day <= rules.day, Source: rules.continuity[0].Source}
		}
	}
	s := situation{day: now, facility: f, card: card, born: q.DateOfBirth, covered: covered}
	if q.Care != nil {
		s.care = *q.Care
	}
	route, chosen := rules.propose(s, level)
	if supplied {
		route, chosen = *e.Route, rules.ofCode(e.Route.Proposal, s.care.Setting)
	}
	e.Route = &route
	if covered {
		rate := rules.rate(route, chosen, level, e.Continuity)
		e.Rate = &rate
	}
}
