package checkin

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// ResultOptions is what a result is made of, besides the document.
type ResultOptions struct {
	Lang             catalog.Lang // of the texts
	JobID, CheckinID string
	Means            Means    // empty is MeansChip
	Fields           []string // identity fields to give; nil is DefaultFields
	PortraitWanted   bool
	Portrait         *Picture
	PortraitErr      error // why there is no picture although the chip has one
	Eligibility      *insurance.Eligibility
	Codes            *claim.Table // the hospital's own; nil: none
	SignerSeen       *int         // how often the signer was seen at this desk before; nil is not known
	Subject          *Subject     // the person on the HIS's word, where the means is not a chip
	Limited          bool         // fields were asked for that are not given
	Recorded         bool
	NoBook           bool // nothing is recorded by design (tapcheck read), so that is no warning
	Simulated        bool
	Virtual          bool // the reader is no real hardware
	Operator         *Operator
	Desk             string
	Visit            *Visit
	Decisions        []Decision
	StartedAt        time.Time
	FinishedAt       time.Time
	Timings          Timings
	Face             FaceVerdict // the zero value: switched off
	// Err ended it; nil is a complete check-in. CANCELLED and AGENT_STOPPING make a cancelled one.
	Err error
}

// view is what a result says of a chip: copies, so that a document under way can change behind it.
type view struct {
	identity *lds.Identity // everything that the chip says; filtered on the way out
	verdicts lds.Verdicts
	missing  map[lds.FileID]error
	warnings []lds.Reason
	// differences are between sources of this reading; they hold no values.
	differences []insurance.Difference
}

// viewOf copies what a result needs of a document.
func viewOf(doc *icao.Document) *view {
	if doc == nil {
		return nil
	}
	v := &view{verdicts: doc.Verdicts, missing: maps.Clone(doc.Missing), warnings: slices.Clone(doc.Warnings), differences: differences(doc.Conflicts)}
	if doc.Identity != nil {
		i := *doc.Identity
		i.Source = maps.Clone(i.Source)
		v.identity = &i
	}
	pa := &v.verdicts.PassiveAuthentication
	pa.Checked, pa.Warnings = slices.Clone(pa.Checked), slices.Clone(pa.Warnings)
	if pa.Signer != nil {
		s := *pa.Signer
		pa.Signer = &s
	}
	v.verdicts.KeyMatchesChip.Compared = slices.Clone(v.verdicts.KeyMatchesChip.Compared)
	v.verdicts.KeyMatchesChip.Differs = slices.Clone(v.verdicts.KeyMatchesChip.Differs)
	return v
}

// ResultOf puts a result together from a document as far as it was read (nil: none) and what else is known: the way in
// which the engine does it, for programs that read without an engine. The document may be one that broke off.
func ResultOf(doc *icao.Document, o ResultOptions) Result { return assemble(viewOf(doc), o) }

// noChip are the verdicts where the means is not a chip.
func noChip() lds.Verdicts {
	x := lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonMeansIsNotChip}
	b := lds.BasisVerdict{Status: lds.NotDone, Reason: lds.ReasonMeansIsNotChip}
	return lds.Verdicts{
		Access:                lds.AccessVerdict{Status: lds.NotDone, Reason: lds.ReasonMeansIsNotChip},
		PassiveAuthentication: lds.PassiveVerdict{Status: lds.NotDone, Reason: lds.ReasonMeansIsNotChip},
		ChipAuthentication:    x, ActiveAuthentication: x,
		DocumentValidity: b, KeyMatchesChip: b,
	}
}

// reached fills what a broken-off read left open, so that no verdict is ever without a status.
func reached(v *lds.Verdicts) {
	for _, p := range []struct {
		s *lds.Status
		r *lds.Reason
	}{
		{&v.Access.Status, &v.Access.Reason},
		{&v.PassiveAuthentication.Status, &v.PassiveAuthentication.Reason},
		{&v.ChipAuthentication.Status, &v.ChipAuthentication.Reason},
		{&v.ActiveAuthentication.Status, &v.ActiveAuthentication.Reason},
		{&v.DocumentValidity.Status, &v.DocumentValidity.Reason},
		{&v.KeyMatchesChip.Status, &v.KeyMatchesChip.Reason},
	} {
		if *p.s == "" {
			*p.s, *p.r = lds.NotDone, lds.ReasonNotReached
		}
	}
}

func assemble(v *view, o ResultOptions) Result {
	if o.Means == "" {
		o.Means = MeansChip
	}
	if o.Fields == nil {
		o.Fields = DefaultFields()
	}
	r := Result{
		JobID: o.JobID, CheckinID: o.CheckinID, State: Complete, Recorded: o.Recorded, Simulated: o.Simulated, Means: o.Means,
		StartedAt: o.StartedAt, FinishedAt: o.FinishedAt, Operator: o.Operator, Desk: o.Desk, Visit: o.Visit, Timings: o.Timings,
		Portrait: o.Portrait, Eligibility: o.Eligibility, Decisions: o.Decisions,
	}
	if o.Virtual {
		r.Reader = "virtual"
	}
	failure := Explain(o.Err)
	if failure != nil {
		r.State, r.Error = Failed, failure.Wire(o.Lang)
		if stopped(failure) {
			r.State = Cancelled
		}
	}
	person := failure != nil && failure.ID == catalog.PersonUnexpected
	if o.Face.Status == "" {
		o.Face = FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonSwitchedOff}
	}
	switch {
	case o.Means != MeansChip:
		r.Verdicts = &Verdicts{Verdicts: noChip(), Face: FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonMeansIsNotChip, Required: o.Face.Required}}
	case v != nil && !person: // of another person's card nothing is told, not even how genuine it is
		r.Identity = Filter(v.identity, o.Fields)
		verdicts := v.verdicts
		reached(&verdicts)
		if s := verdicts.PassiveAuthentication.Signer; s != nil && o.SignerSeen != nil {
			c := *s
			c.SeenBefore = o.SignerSeen
			verdicts.PassiveAuthentication.Signer = &c
		}
		r.Verdicts = &Verdicts{Verdicts: verdicts, Face: o.Face}
	}
	if person {
		r.Portrait, r.Eligibility, o.Subject = nil, nil, nil
	}
	if o.Subject != nil && *o.Subject != (Subject{}) {
		r.Subject = o.Subject
	}
	r.DecisionNeeded = undecided(r)
	r.Claim, r.Address = claimOf(r, o.Codes), addressOf(r, o.Codes)
	if r.Identity != nil {
		r.Differences = slices.Clone(v.differences)
	}
	if r.Eligibility != nil {
		r.Differences = slices.Concat(r.Eligibility.Differences, r.Differences)
	}
	r.Warnings = words(warningIDs(r, v, o), o.Lang, catalog.WarningText, func(id, text string) Warning { return Warning{id, text} })
	r.Next = words(nextIDs(r, failure), o.Lang, catalog.StepText, func(id, text string) Step { return Step{id, text} })
	return r
}

// stopped says that nobody failed: somebody wanted it to end.
func stopped(e *catalog.Error) bool {
	return e.ID == catalog.Cancelled || e.ID == catalog.AgentStopping
}

// words puts ids into words, each once; an id without words is not said.
func words[T any](ids []string, l catalog.Lang, say func(string, catalog.Lang) (string, bool), make func(id, text string) T) []T {
	out := []T{} // never nil: the protocol promises an array
	for i, id := range ids {
		if text, ok := say(id, l); ok && !slices.Contains(ids[:i], id) {
			out = append(out, make(id, text))
		}
	}
	return out
}

func warningIDs(r Result, v *view, o ResultOptions) (ids []string) {
	add := func(when bool, id string) {
		if when {
			ids = append(ids, id)
		}
	}
	add(r.Simulated, catalog.WarnSimulated)
	add(o.Virtual && !r.Simulated, catalog.WarnVirtualReader)
	add(o.Limited, catalog.WarnFieldsLimited)
	if r.Verdicts != nil && r.Means == MeansChip {
		c := r.Verdicts.Verdicts
		add(c.PassiveAuthentication.Signer != nil && o.SignerSeen != nil && *o.SignerSeen == 0, catalog.WarnSignerNew)
		for _, w := range slices.Concat(c.PassiveAuthentication.Warnings, v.warnings) {
			switch w {
			case lds.ReasonChipAuthFailed, lds.ReasonActiveAuthFailed:
				add(true, catalog.WarnExchangeFailed)
			default:
				add(true, string(w)) // said only if the catalogue has words for it
			}
		}
		add(c.DocumentValidity.Status == lds.Failed, catalog.WarnDocumentExpired)
		add(c.KeyMatchesChip.Status == lds.Failed, catalog.WarnKeyDiffers)
		add(c.Access.Fallback != "", catalog.WarnDowngrade)
		add(proofFailed(c.ChipAuthentication) || proofFailed(c.ActiveAuthentication), catalog.WarnExchangeFailed)
		if v.identity != nil {
			for id, err := range v.missing {
				switch {
				case id == lds.DG(2): // said below
				case id == lds.DG(13) && !errors.Is(err, lds.ErrFileAbsent):
					add(true, catalog.WarnDG13Unreadable)
				default:
					add(errors.Is(err, lds.ErrFileRefused), catalog.WarnFileRefused)
				}
			}
		}
		if o.PortraitWanted && r.Identity != nil && r.Portrait == nil && r.State == Complete {
			why, broken := v.missing[lds.DG(2)]
			broken = broken && !errors.Is(why, lds.ErrFileAbsent)
			if o.PortraitErr != nil || broken {
				add(true, catalog.WarnPortraitBad)
			} else {
				add(true, catalog.WarnNoPortrait)
			}
		}
	}
	add(r.Eligibility != nil && disagrees(r.Eligibility), catalog.WarnNameDiffers)
	add(r.Eligibility != nil && r.Eligibility.Source == insurance.SourceTraining, catalog.WarnTraining)
	add(r.State.Final() && !r.Recorded && !o.NoBook, catalog.WarnNotRecorded)
	return ids
}

func proofFailed(v lds.ExchangeVerdict) bool {
	return v.Status == lds.Failed || v.Exchange == lds.Failed
}

// nextIDs says what the desk does now. Whatever happened, there is something that it can do: care comes first.
func nextIDs(r Result, failure *catalog.Error) (ids []string) {
	add := func(id ...string) { ids = append(ids, id...) }
	switch {
	case r.State == Cancelled:
		if r.Identity != nil {
			add(catalog.StepReturnCard)
		}
		return ids
	case failure != nil:
		switch {
		case failure.ID == catalog.DataInconsistent:
			add(catalog.StepCallSupervisor)
		case failure.ID == catalog.PersonUnexpected || failure.ID == catalog.OtherCard:
			if r.Means == MeansChip {
				add(catalog.StepReturnCard)
			}
			add(catalog.StepTryAgain)
			return ids
		case r.Identity != nil: // the person was proved before it broke off
			add(catalog.StepProceed, catalog.StepCheckPapers)
		case failure.ID == catalog.Internal || r.Error != nil && r.Error.Retriable:
			add(catalog.StepTryAgain, catalog.StepPaperAdmission)
		default:
			add(catalog.StepPaperAdmission)
		}
	default:
		if r.Verdicts == nil || r.Means != MeansChip {
			add(meansSteps(r)...)
			break
		}
		v := r.Verdicts.Verdicts
		if v.PassiveAuthentication.Status == lds.Failed || v.ChipAuthentication.Status == lds.Failed || v.ActiveAuthentication.Status == lds.Failed {
			add(catalog.StepCallSupervisor)
		} else {
			add(catalog.StepProceed)
		}
		// An exchange that failed with a key that proves nothing is no verdict, and still worth a look.
		if v.DocumentValidity.Status == lds.Failed || v.KeyMatchesChip.Status == lds.Failed || proofFailed(v.ChipAuthentication) || proofFailed(v.ActiveAuthentication) {
			add(catalog.StepCheckPapers)
		}
	}
	if e := r.Eligibility; e != nil {
		if _, ok := catalog.StepText(e.Advice, catalog.VI); ok && e.State != insurance.Pending {
			add(e.Advice)
		} else {
			switch e.State {
			case insurance.NotEligible:
				add(catalog.StepNotCovered)
			case insurance.Check:
				add(catalog.StepCheckPapers)
			case insurance.Pending:
				add(catalog.StepLookupLater)
				if e.Reason == string(catalog.InsuranceRejected) {
					add(catalog.StepTellIT)
				}
			case insurance.Unknown:
				add(unknownSteps(r)...)
			}
		}
		for _, d := range e.Differences {
			if d.Kind == insurance.DiffersInEncoding { // see disagrees
				continue
			}
			if _, ok := catalog.StepText(d.Advice, catalog.VI); ok {
				add(d.Advice)
			} else {
				add(catalog.StepCheckIdentity)
			}
		}
	}
	for _, d := range r.Differences { // for the rest, their verdict has said it
		if d.Cause == insurance.CauseOtherPerson {
			add(d.Advice)
		}
	}
	decideFace := slices.Contains(r.DecisionNeeded, AboutFace)
	if decideFace {
		add(catalog.StepFaceByEye)
	}
	if r.Means == MeansChip {
		if r.Portrait != nil && !decideFace && (r.Verdicts == nil || r.Verdicts.Face.Status != lds.Passed) {
			add(catalog.StepComparePhoto)
		}
		if r.Identity != nil {
			add(catalog.StepReturnCard)
		}
	}
	// These say themselves how the patient is admitted; "admit" beside them would contradict them.
	if slices.Contains(ids, catalog.StepCallSupervisor) || slices.Contains(ids, catalog.StepNotCovered) {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == catalog.StepProceed })
	}
	return ids
}

// disagrees says that the insurer's data are about somebody else or say less. A name in an old encoding, which says the same or
// cannot be read, is no such thing: it stands among the differences, and the desk has nothing to do about it.
func disagrees(e *insurance.Eligibility) bool {
	return slices.ContainsFunc(e.Differences, func(d insurance.Difference) bool { return d.Kind != insurance.DiffersInEncoding })
}

// meansSteps says what to do with a person who came without a chip, before anything of insurance is known.
func meansSteps(r Result) []string {
	switch r.Means {
	case MeansPaperCard: // it has no photo (Luật BHYT Đ28 k1)
		return []string{catalog.StepProceed, catalog.StepComparePapers}
	case MeansVNeID:
		return []string{catalog.StepProceed, catalog.StepCheckVNeID}
	case MeansNoCard:
		if underSix(r) {
			return []string{catalog.StepProceed, catalog.StepTempCardFlow}
		}
		return []string{catalog.StepProceed, catalog.StepCheckPapers}
	case MeansEmergency: // papers may come until discharge (Luật BHYT Đ28 k1)
		return []string{catalog.StepEmergency, catalog.StepIdentifyLater}
	}
	return []string{catalog.StepProceed}
}

// unknownSteps says what to do where the insurer says nothing, or could not be asked.
func unknownSteps(r Result) []string {
	unasked := r.Eligibility.Reason == string(catalog.InsuranceRequest)
	switch {
	case r.Means == MeansEmergency, r.Means == MeansNoCard && unasked && underSix(r):
		return nil // the means has said it
	case r.Means == MeansNoCard && unasked:
		return []string{catalog.StepAskInsuranceCard}
	case unasked:
		return []string{catalog.StepFixInput, catalog.StepAskInsuranceCard}
	}
	return []string{catalog.StepAskInsuranceCard}
}

// underSix says that the person has not turned six, for whom other papers do (Luật BHYT Đ12 k3). A year alone is taken for its
// last day, which is in the child's favour.
func underSix(r Result) bool {
	if r.Subject == nil || len(r.Subject.DateOfBirth) < 4 {
		return false
	}
	birth := r.Subject.DateOfBirth + "-12-31"[max(0, len(r.Subject.DateOfBirth)-4):]
	if len(r.Subject.DateOfBirth) == 7 {
		birth = r.Subject.DateOfBirth + "-28"
	}
	t, err := time.ParseInLocation(time.DateOnly, birth, insurance.Vietnam)
	return err == nil && r.StartedAt.Before(t.AddDate(6, 0, 0))
}

// addressOf proposes the codes of the units that an address names.
func addressOf(r Result, t *claim.Table) *claim.Place {
	if r.Identity == nil {
		return nil
	}
	return t.Address(r.Identity.Residence, r.StartedAt)
}

// claimOf gives values as the ministry writes them: only what is known, and of the person only what the result gives. earlier
// are the cards that were valid earlier in the same visit.
func claimOf(r Result, t *claim.Table, earlier ...insurance.Card) map[string]string {
	var p claim.Person
	switch i, s := r.Identity, r.Subject; {
	case i != nil:
		p = claim.Person{Number: i.Number, FullName: i.FullName, DateOfBirth: i.DateOfBirth, Sex: i.Sex, Nationality: i.Nationality, Ethnicity: i.Ethnicity, Residence: i.Residence}
	case s != nil:
		p = claim.Person{Number: s.Number, FullName: s.FullName, DateOfBirth: s.DateOfBirth, Sex: s.Sex}
	}
	return claim.Values(p, r.Eligibility, t, earlier...)
}

// differences are where two sources of one reading disagree about the person, with the likely cause.
func differences(list []icao.Conflict) (out []insurance.Difference) {
	for _, between := range []string{insurance.BetweenMRZ, insurance.BetweenScanned} {
		var one, other insurance.Request
		fields := map[string][2]*string{
			"number": {&one.Number, &other.Number}, "fullName": {&one.FullName, &other.FullName},
			"dateOfBirth": {&one.DateOfBirth, &other.DateOfBirth}, "sex": {&one.Sex, &other.Sex},
		}
		var rest []insurance.Difference
		for _, c := range list {
			if c.Between != between {
				continue
			}
			if f, ok := fields[c.Field]; ok {
				*f[0], *f[1] = c.One, c.Other
				continue
			}
			rest = append(rest, insurance.Difference{Field: c.Field, Kind: insurance.DiffersInValue, Cause: insurance.CauseUnknown, Between: between, Advice: catalog.StepCheckPapers})
		}
		out = append(out, insurance.ComparePersons(one, other, between)...)
		out = append(out, rest...)
	}
	return out
}
