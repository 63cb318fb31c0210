// Package fhir speaks HL7 FHIR R4 (4.0.1) about insurance, in two ways.
//
// # Asking an insurer
//
// Client is an insurance.Provider for any insurer that serves the operation CoverageEligibilityRequest/$submit
// (coverageeligibilityrequest-operation-submit.html of the specification). It posts one Bundle of type collection: the
// CoverageEligibilityRequest, the Patient and, where the person showed a card, the Coverage. Insurer and facility are named by
// business identifiers (references.html#logical), for nobody has their records on a server of ours. Without a card the purpose is
// discovery too: "which coverage does this person have".
//
// The answer is a CoverageEligibilityResponse, alone, in a Bundle, or as the parameter "return" of a Parameters
// (operations.html#response), or it is an OperationOutcome. What it comes to:
//
//	outcome complete or partial, insurance.inforce true    eligible
//	the same, inforce false                                not_eligible
//	the same, inforce absent, or no insurance at all       unknown: the insurer has not said
//	outcome error                                          unknown, with the code of the error
//	outcome queued, or HTTP 202                            ErrUnreachable with the code "queued": asked again later
//
// An eligible becomes check where the rest of the answer speaks against it: the outcome is only partial or lists errors, the
// coverage is cancelled, its period does not cover the day, or the patient whom the insurer describes is not the one who was
// asked about. Whatever carries a modifierExtension or implicitRules that nobody here knows is unknown: the specification forbids to
// ignore them (extensibility.html#modifierExtension, resource.html#implicitRules).
//
// The period is insurance.benefitPeriod, or else the coverage's own. Dates may be partial: a period that ends in "2026" ends with that
// year (datatypes.html#Period). A moment counts as its day in Vietnam's time. The benefit rate is 100 less
// the benefit copay-percent of the health plan as a whole (category 30, or none), where the insurer says one and no other.
//
// # What it promises
//
// Errors are those of package insurance; an OperationOutcome counts by its most severe issue's code (valueset-issue-type.html) and its
// HTTP status (http.html#Status-Codes), and unwraps to one of them. $submit is not idempotent, so a question is sent twice only
// where the first was surely not taken: refused with 401 (once, with a new token), or never sent because no connection came
// about. Both carry the same identifier.
//
// Only https is spoken (http to this machine, for tests), with certificates verified; mutual TLS, a bearer token and OAuth 2.0
// client credentials (RFC 6749, 4.4) are options. Redirects are not followed. Answers are read up to 1 MiB, unpacked. No error and no log
// carries a URL, a token, or anything of the person or of the insurer's own words. After five unanswered questions in a row the insurer
// is left alone for 15 s. Extensions, narrative, contained resources and all that is not named here are dropped before anything is kept.
//
// # Speaking to a HIS
//
// Resources builds Patient, Coverage, CoverageEligibilityRequest and CoverageEligibilityResponse from plain values that are known
// already. It says no more than they do: what is not known is absent, a name is not cut into family and given names,
// and a coverage is active only where the insurer said so. It validates against the published JSON schema of R4: see the tests.
package fhir
