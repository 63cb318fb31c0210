package fhir

import "encoding/json"

// The members of R4 that are written or read here; whoever reads ignores the others (json.html). Absent is empty.

// Bundle (bundle.html).
type Bundle struct {
	ResourceType string  `json:"resourceType"`
	ID           string  `json:"id,omitempty"`
	Type         string  `json:"type"`
	Timestamp    string  `json:"timestamp,omitempty"`
	Entry        []Entry `json:"entry,omitempty"`
}

// Entry of a Bundle. FullURL is "urn:uuid:…": the resources live nowhere else.
type Entry struct {
	FullURL  string `json:"fullUrl"`
	Resource any    `json:"resource"`
}

// Meta (resource.html#Meta).
type Meta struct {
	Security []Coding `json:"security,omitempty"`
	Tag      []Coding `json:"tag,omitempty"`
}

// Coding (datatypes.html#Coding).
type Coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

// Concept is a CodeableConcept (datatypes.html#CodeableConcept).
type Concept struct {
	Coding []Coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitempty"`
}

// Identifier (datatypes.html#Identifier).
type Identifier struct {
	Type   *Concept `json:"type,omitempty"`
	System string   `json:"system,omitempty"`
	Value  string   `json:"value,omitempty"`
}

// Reference (references.html).
type Reference struct {
	Reference  string      `json:"reference,omitempty"`
	Identifier *Identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

// Period of dates, both included (datatypes.html#Period).
type Period struct {
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

// HumanName (datatypes.html#HumanName).
type HumanName struct {
	Use    string   `json:"use,omitempty"`
	Text   string   `json:"text,omitempty"`
	Family string   `json:"family,omitempty"`
	Given  []string `json:"given,omitempty"`
}

// Address (datatypes.html#Address).
type Address struct {
	Text string `json:"text,omitempty"`
}

// Extension of the kinds that are written here (extensibility.html).
type Extension struct {
	URL                  string      `json:"url"`
	Extension            []Extension `json:"extension,omitempty"`
	ValueCodeableConcept *Concept    `json:"valueCodeableConcept,omitempty"`
}

// Patient (patient.html).
type Patient struct {
	ResourceType string       `json:"resourceType"`
	Meta         *Meta        `json:"meta,omitempty"`
	Extension    []Extension  `json:"extension,omitempty"`
	Identifier   []Identifier `json:"identifier,omitempty"`
	Name         []HumanName  `json:"name,omitempty"`
	Gender       string       `json:"gender,omitempty"`
	BirthDate    string       `json:"birthDate,omitempty"`
	Address      []Address    `json:"address,omitempty"`
}

// Coverage (coverage.html).
type Coverage struct {
	ResourceType      string       `json:"resourceType"`
	Meta              *Meta        `json:"meta,omitempty"`
	Identifier        []Identifier `json:"identifier,omitempty"`
	Status            string       `json:"status"`
	Type              *Concept     `json:"type,omitempty"`
	SubscriberID      string       `json:"subscriberId,omitempty"`
	Beneficiary       Reference    `json:"beneficiary"`
	Relationship      *Concept     `json:"relationship,omitempty"`
	Period            *Period      `json:"period,omitempty"`
	Payor             []Reference  `json:"payor"`
	CostToBeneficiary []Cost       `json:"costToBeneficiary,omitempty"`
}

// Cost is what of the cost is the patient's.
type Cost struct {
	Type          Concept  `json:"type"`
	ValueQuantity Quantity `json:"valueQuantity"`
}

// Quantity (datatypes.html#Quantity).
type Quantity struct {
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"`
	System string  `json:"system,omitempty"`
	Code   string  `json:"code,omitempty"`
}

// Request is a CoverageEligibilityRequest (coverageeligibilityrequest.html).
type Request struct {
	ResourceType string             `json:"resourceType"`
	Meta         *Meta              `json:"meta,omitempty"`
	Identifier   []Identifier       `json:"identifier,omitempty"`
	Status       string             `json:"status"`
	Purpose      []string           `json:"purpose"`
	Patient      Reference          `json:"patient"`
	ServicedDate string             `json:"servicedDate,omitempty"`
	Created      string             `json:"created"`
	Provider     *Reference         `json:"provider,omitempty"`
	Insurer      Reference          `json:"insurer"`
	Insurance    []RequestInsurance `json:"insurance,omitempty"`
}

// RequestInsurance is a coverage that is asked about.
type RequestInsurance struct {
	Focal    bool      `json:"focal,omitempty"`
	Coverage Reference `json:"coverage"`
}

// Response is a CoverageEligibilityResponse (coverageeligibilityresponse.html).
type Response struct {
	ResourceType      string              `json:"resourceType"`
	Meta              *Meta               `json:"meta,omitempty"`
	ImplicitRules     string              `json:"implicitRules,omitempty"`
	Contained         []json.RawMessage   `json:"contained,omitempty"`
	ModifierExtension []json.RawMessage   `json:"modifierExtension,omitempty"`
	Identifier        []Identifier        `json:"identifier,omitempty"`
	Status            string              `json:"status"`
	Purpose           []string            `json:"purpose,omitempty"`
	Patient           Reference           `json:"patient"`
	ServicedDate      string              `json:"servicedDate,omitempty"`
	Created           string              `json:"created,omitempty"`
	Requestor         *Reference          `json:"requestor,omitempty"`
	Request           Reference           `json:"request"`
	Outcome           string              `json:"outcome"`
	Disposition       string              `json:"disposition,omitempty"`
	Insurer           Reference           `json:"insurer"`
	Insurance         []ResponseInsurance `json:"insurance,omitempty"`
	Error             []ResponseError     `json:"error,omitempty"`
}

// ResponseInsurance is what the insurer says of one coverage.
type ResponseInsurance struct {
	ModifierExtension []json.RawMessage `json:"modifierExtension,omitempty"`
	Coverage          Reference         `json:"coverage"`
	Inforce           *bool             `json:"inforce,omitempty"`
	BenefitPeriod     *Period           `json:"benefitPeriod,omitempty"`
	Item              []Item            `json:"item,omitempty"`
}

// Item is a kind of service, and what is paid of it.
type Item struct {
	ModifierExtension []json.RawMessage `json:"modifierExtension,omitempty"`
	Category          *Concept          `json:"category,omitempty"`
	ProductOrService  *Concept          `json:"productOrService,omitempty"`
	Excluded          bool              `json:"excluded,omitempty"`
	Network           *Concept          `json:"network,omitempty"`
	Benefit           []Benefit         `json:"benefit,omitempty"`
}

// Benefit is one limit or share of an Item.
type Benefit struct {
	Type               Concept      `json:"type"`
	AllowedUnsignedInt *json.Number `json:"allowedUnsignedInt,omitempty"`
}

// ResponseError is why a request could not be processed.
type ResponseError struct {
	Code Concept `json:"code"`
}

// OperationOutcome (operationoutcome.html). Texts in it are not read: they may hold anything.
type OperationOutcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []Issue `json:"issue,omitempty"`
}

// Issue of an OperationOutcome.
type Issue struct {
	Severity string `json:"severity,omitempty"`
	Code     string `json:"code,omitempty"`
}

// Code systems of the standard's own terminology.
const (
	sysIdentifierType = "http://terminology.hl7.org/CodeSystem/v2-0203"
	sysActCode        = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	sysActReason      = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	sysRelationship   = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
	sysCopayType      = "http://terminology.hl7.org/CodeSystem/coverage-copay-type"
	sysBenefitType    = "http://terminology.hl7.org/CodeSystem/benefit-type"
	sysCategory       = "http://terminology.hl7.org/CodeSystem/ex-benefitcategory"
	sysNetwork        = "http://terminology.hl7.org/CodeSystem/benefit-network"
	sysUnits          = "http://unitsofmeasure.org"
	sysCountry        = "urn:iso:std:iso:3166"
	urlNationality    = "http://hl7.org/fhir/StructureDefinition/patient-nationality"
)

func concept(system, code string) *Concept {
	return &Concept{Coding: []Coding{{System: system, Code: code}}}
}

// has says whether a concept has this code of this system. A coding without a system is no proof of anything.
func (c *Concept) has(system, code string) bool {
	if c == nil {
		return false
	}
	for _, k := range c.Coding {
		if k.System == system && k.Code == code {
			return true
		}
	}
	return false
}
