package fhir_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/fhir"
	"github.com/tapcheck/tapcheck/insurance/fhir/fhirtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var an = insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}

func client(t testing.TB, base string, change func(*fhir.Config)) *fhir.Client {
	t.Helper()
	c := fhir.Config{BaseURL: base, Insurer: fhir.ParseIdentifier("https://insurer.example/id|PVI"), Facility: fhir.ParseIdentifier("01004"), Now: func() time.Time { return now }}
	if change != nil {
		change(&c)
	}
	k, err := fhir.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// with is fhirtest.InForce with pieces replaced.
func with(pairs ...string) string {
	s := fhirtest.InForce
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			panic("fhirtest.InForce has no " + pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}

const (
	period  = `"benefitPeriod":{"start":"2026-01-01","end":"2026-12-31"}`
	inforce = `"inforce":true,`
	list    = `"insurance":[`
	outcome = `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"},{"severity":"error","code":"%s","diagnostics":"Nguyễn Văn An"}]}`
)

// What an insurer says and what it comes to. The person asked about is An, born 1999-01-01, number 001099012345; the day is 2026-11-23.
func TestAnswers(t *testing.T) {
	an := an
	card := func(change func(*insurance.Card)) *insurance.Card {
		c := insurance.Card{Code: "PVI-7711", From: "2026-01-01", To: "2026-12-31", BenefitRate: 80}
		if change != nil {
			change(&c)
		}
		return &c
	}
	dates := func(from, to string) *insurance.Card {
		return card(func(c *insurance.Card) { c.From, c.To = from, to })
	}
	rate := func(n int) *insurance.Card { return card(func(c *insurance.Card) { c.BenefitRate = n }) }
	type want struct {
		state   insurance.State
		advice  string
		code    string
		card    *insurance.Card
		differs string
		err     error
	}
	good := want{insurance.Eligible, "PROCEED", "complete", card(nil), "", nil}
	check := want{insurance.Check, "CHECK_PAPERS", "complete", card(nil), "", nil}
	garbage := want{err: insurance.ErrGarbage}
	other := func(field, kind string) want {
		return want{insurance.Check, "CHECK_IDENTITY", "complete", card(nil), field + " " + kind, nil}
	}
	for name, c := range map[string]struct {
		answer fhirtest.Answer
		body   string // of answer
		asked  string // card code
		want   want
	}{
		// What is said of the coverage.
		"in force":                  {body: fhirtest.InForce, want: good},
		"not in force":              {body: with(inforce, `"inforce":false,`), want: want{insurance.NotEligible, "NOT_COVERED", "complete", card(nil), "", nil}},
		"does not say":              {body: with(inforce, ``), want: want{insurance.Unknown, "CHECK_PAPERS", "complete", card(nil), "", nil}},
		"says null":                 {body: with(inforce, `"inforce":null,`), want: want{insurance.Unknown, "CHECK_PAPERS", "complete", card(nil), "", nil}},
		"no insurance":              {body: with(list, `"x":[`), want: want{insurance.Unknown, "ASK_INSURANCE_CARD", "complete", nil, "", nil}},
		"only in part":              {body: with(`"complete"`, `"partial"`), want: want{insurance.Check, "CHECK_PAPERS", "partial", card(nil), "", nil}},
		"with an error beside":      {body: with(`"outcome"`, `"error":[{"code":{"coding":[{"code":"a001"}]}}],"outcome"`), want: want{insurance.Check, "CHECK_PAPERS", "a001", card(nil), "", nil}},
		"outcome error":             {body: with(`"complete"`, `"error"`, list, `"error":[{"code":{"coding":[{"code":"a002"}]}}],"insurance":[`), want: want{insurance.Unknown, "CHECK_PAPERS", "a002", nil, "", nil}},
		"error without a code":      {body: with(`"complete"`, `"error"`, list, `"error":[{"code":{"text":"Nguyễn Văn An"}}],"insurance":[`), want: want{insurance.Unknown, "CHECK_PAPERS", "error", nil, "", nil}},
		"outcome queued":            {body: with(`"complete"`, `"queued"`), want: want{code: "queued", err: insurance.ErrUnreachable}},
		"coverage cancelled":        {body: with(`"id":"c","status":"active"`, `"id":"c","status":"cancelled"`), want: check},
		"a rule of its own":         {body: with(list, `"modifierExtension":[{"url":"https://x.example/not","valueBoolean":true}],"insurance":[`), want: want{insurance.Unknown, "CHECK_PAPERS", "complete", nil, "", nil}},
		"a rule of one coverage":    {body: with(inforce, inforce+`"modifierExtension":[{"url":"x"}],`), want: want{insurance.Unknown, "CHECK_PAPERS", "complete", nil, "", nil}},
		"implicit rules":            {body: with(list, `"implicitRules":"https://x.example",`+list), want: want{insurance.Unknown, "CHECK_PAPERS", "complete", nil, "", nil}},
		"extensions":                {body: with(list, `"extension":[{"url":"x","valueDecimal":1.50}],"_outcome":{"id":"o"},`+list), want: good},
		"another answer's question": {body: with(`$REQUEST`, `urn:uuid:00000000-0000-4000-8000-000000000000`), want: garbage},
		"no word on the question":   {body: with(`{"identifier":{"system":"urn:ietf:rfc:3986","value":"$REQUEST"}}`, `{"reference":"CoverageEligibilityRequest/7"}`), want: good},
		"entered in error":          {body: with(`"status":"active","purpose"`, `"status":"entered-in-error","purpose"`), want: garbage},
		"an outcome of its own":     {body: with(`"complete"`, `"ok"`), want: garbage},
		"no outcome":                {body: with(`"outcome":"complete",`, ``), want: garbage},

		// Several coverages.
		"two, one in force":               {body: with(list, list+`{"coverage":{"identifier":{"value":"OLD-1"}},"inforce":false},`), want: check},
		"two, and the one asked about is": {body: with(list, list+`{"coverage":{"identifier":{"value":"OLD-1"}},"inforce":false},`), asked: "PVI-7711", want: good},
		"two, and the one asked about is not": {body: with(list, list+`{"coverage":{"identifier":{"value":"OLD-1"}},"inforce":false},`), asked: "OLD-1",
			want: want{insurance.Check, "CHECK_PAPERS", "complete", &insurance.Card{Code: "OLD-1"}, "", nil}},
		"two in force":       {body: with(list, list+`{"coverage":{"identifier":{"value":"PVI-7711"}},"inforce":true,`+period+`},`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"null in the list":   {body: with(list, list+`null,`), want: check},
		"Vietnamese card":    {body: with("PVI-7711", "GD4010123456789"), want: want{insurance.Eligible, "PROCEED", "complete", card(func(c *insurance.Card) { c.Code = "GD4010123456789" }), "", nil}},
		"dangling reference": {body: with(`"coverage":{"reference":"#c"}`, `"coverage":{"reference":"#nowhere"}`), want: want{insurance.Eligible, "PROCEED", "complete", card(func(c *insurance.Card) { c.Code = "" }), "", nil}},
		"a patient for a coverage": {body: with(`"coverage":{"reference":"#c"}`, `"coverage":{"reference":"#p"}`),
			want: want{insurance.Eligible, "PROCEED", "complete", card(func(c *insurance.Card) { c.Code = "" }), "", nil}},

		// Dates.
		"to the year":              {body: with(period, `"benefitPeriod":{"start":"2025","end":"2026"}`), want: want{insurance.Eligible, "PROCEED", "complete", dates("2025-01-01", "2026-12-31"), "", nil}},
		"to the month":             {body: with(period, `"benefitPeriod":{"start":"2026-02","end":"2026-11"}`), want: want{insurance.Eligible, "PROCEED", "complete", dates("2026-02-01", "2026-11-30"), "", nil}},
		"leap month":               {body: with(period, `"benefitPeriod":{"end":"2028-02"}`), want: want{insurance.Eligible, "PROCEED", "complete", dates("", "2028-02-29"), "", nil}},
		"moments":                  {body: with(period, `"benefitPeriod":{"start":"2025-12-31T17:00:00Z","end":"2026-12-31T23:59:59.999+07:00"}`), want: good},
		"over":                     {body: with(period, `"benefitPeriod":{"start":"2026-01-01","end":"2026-11-22"}`), want: want{insurance.Check, "CHECK_PAPERS", "complete", dates("2026-01-01", "2026-11-22"), "", nil}},
		"last day":                 {body: with(period, `"benefitPeriod":{"end":"2026-11-23"}`), want: want{insurance.Eligible, "PROCEED", "complete", dates("", "2026-11-23"), "", nil}},
		"not begun":                {body: with(period, `"benefitPeriod":{"start":"2026-12"}`), want: want{insurance.Check, "CHECK_PAPERS", "complete", dates("2026-12-01", ""), "", nil}},
		"no such day":              {body: with(period, `"benefitPeriod":{"start":"2026-01-01","end":"2026-02-30"}`), want: want{insurance.Check, "CHECK_PAPERS", "complete", dates("2026-01-01", ""), "", nil}},
		"a moment without a zone":  {body: with(period, `"benefitPeriod":{"end":"2026-12-31T23:59:59"}`), want: want{insurance.Check, "CHECK_PAPERS", "complete", dates("", ""), "", nil}},
		"the coverage's own":       {body: with(period+",", "", `"subscriberId"`, `"period":{"end":"2026-12"},"subscriberId"`), want: want{insurance.Eligible, "PROCEED", "complete", dates("", "2026-12-31"), "", nil}},
		"no period":                {body: with(period+",", ""), want: want{insurance.Eligible, "PROCEED", "complete", dates("", ""), "", nil}},
		"null for a date":          {body: with(period, `"benefitPeriod":{"start":null,"end":"2026-12-31"}`), want: want{insurance.Eligible, "PROCEED", "complete", dates("", "2026-12-31"), "", nil}},
		"a number for a date":      {body: with(period, `"benefitPeriod":{"start":2026}`), want: garbage},
		"a date of one digit each": {body: with(period, `"benefitPeriod":{"end":"2026-1-1"}`), want: want{insurance.Check, "CHECK_PAPERS", "complete", dates("", ""), "", nil}},

		// What is paid.
		"a decimal for a percentage":   {body: with(`:20}`, `:20.5}`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"more than all":                {body: with(`:20}`, `:120}`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"less than nothing":            {body: with(`:20}`, `:-1}`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"everything paid":              {body: with(`:20}`, `:0}`), want: want{insurance.Eligible, "PROCEED", "complete", rate(100), "", nil}},
		"two percentages":              {body: with(`"item":[`, `"item":[{"benefit":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/benefit-type","code":"copay-percent"}]},"allowedUnsignedInt":5}]},`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"of dentistry only":            {body: with(`"code":"30"`, `"code":"35"`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"of what is excluded":          {body: with(`"item":[{`, `"item":[{"excluded":true,`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"a code of nobody's system":    {body: with(`"http://terminology.hl7.org/CodeSystem/benefit-type"`, `"https://x.example"`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"money, with decimals":         {body: with(`"allowedUnsignedInt":20`, `"allowedMoney":{"value":1500000.50,"currency":"VND"}`), want: want{insurance.Eligible, "PROCEED", "complete", rate(0), "", nil}},
		"a text for a number":          {body: with(`:20}`, `:"20"}`), want: good}, // it says the same
		"a text that is no number":     {body: with(`:20}`, `:"all"}`), want: garbage},
		"a list for a benefit":         {body: with(`"benefit":[{`, `"benefit":[[],{`), want: garbage},
		"a text for true":              {body: with(inforce, `"inforce":"true",`), want: garbage},
		"an object for the insurances": {body: with(list, `"insurance":{"a":[`, `}]}]}]}`, `}]}]}]}}`), want: garbage},

		// Whom the insurer describes.
		"a name in its other order":        {body: with(`"family":"Nguyễn","given":["Văn","An"]`, `"family":"An","given":["Nguyễn","Văn"]`), want: good},
		"a name as text":                   {body: with(`"family":"Nguyễn","given":["Văn","An"]`, `"text":"NGUYỄN VĂN AN"`), want: good},
		"a name without marks":             {body: with(`"family":"Nguyễn","given":["Văn","An"]`, `"text":"NGUYEN VAN AN"`), want: want{insurance.Eligible, "PROCEED", "complete", card(nil), "fullName diacritics", nil}},
		"null among the given names":       {body: with(`"given":["Văn","An"]`, `"given":["Văn",null,"An"],"_given":[null,{"id":"g"},null]`), want: good},
		"one of two names":                 {body: with(`"name":[`, `"name":[{"text":"Trần An"},`), want: good},
		"another name":                     {body: with(`"Nguyễn"`, `"Trần"`), want: other("fullName", "value")},
		"another date of birth":            {body: with(`"1999-01-01"`, `"1999-01-02"`), want: other("dateOfBirth", "value")},
		"born in a year":                   {body: with(`"1999-01-01"`, `"1999"`), want: want{insurance.Eligible, "PROCEED", "complete", card(nil), "dateOfBirth precision", nil}},
		"another sex":                      {body: with(`"gender":"male"`, `"gender":"female"`), want: other("sex", "value")},
		"sex unknown":                      {body: with(`"gender":"male"`, `"gender":"unknown"`), want: good},
		"another number":                   {body: with(`"001099012345"`, `"001099012346"`), want: other("number", "value")},
		"a number of another kind":         {body: with(`"001099012345"`, `"77"`, `"code":"NI"`, `"code":"MR"`), want: good},
		"another number, in the reference": {body: with(`"patient":{"reference":"#p"}`, `"patient":{"identifier":{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"NI"}]},"value":"001099012346"}}`), want: other("number", "value")},

		// How it is wrapped.
		"in a bundle": {body: `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:1","resource":` + fhirtest.InForce + `}]}`, want: good},
		"with its patient beside": {body: `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"9","birthDate":"1999-01-02"}},{"resource":` +
			with(`"patient":{"reference":"#p"}`, `"patient":{"reference":"Patient/9"}`) + `}]}`, want: other("dateOfBirth", "value")},
		"in parameters":              {body: `{"resourceType":"Parameters","parameter":[{"name":"x","valueString":"y"},{"name":"return","resource":` + fhirtest.InForce + `}]}`, want: good},
		"a bundle in parameters":     {body: `{"resourceType":"Parameters","parameter":[{"name":"return","resource":{"resourceType":"Bundle","entry":[null,{},{"resource":` + fhirtest.InForce + `}]}}]}`, want: good},
		"two answers":                {body: `{"resourceType":"Bundle","entry":[{"resource":` + fhirtest.InForce + `},{"resource":` + fhirtest.InForce + `}]}`, want: garbage},
		"two, one to something else": {body: `{"resourceType":"Bundle","entry":[{"resource":` + with("$REQUEST", "urn:uuid:x") + `},{"resource":` + fhirtest.InForce + `}]}`, want: good},
		"an empty bundle":            {body: `{"resourceType":"Bundle","type":"searchset","total":0}`, want: garbage},
		"parameters in parameters":   {body: `{"resourceType":"Parameters","parameter":[{"name":"return","resource":{"resourceType":"Parameters","parameter":[{"name":"return","resource":` + fhirtest.InForce + `}]}}]}`, want: garbage},
		"the request given back":     {body: `{"resourceType":"CoverageEligibilityRequest","status":"active"}`, want: garbage},
		"another resource":           {body: with("CoverageEligibilityResponse", "ClaimResponse"), want: garbage},
		"no resource type":           {body: `{"outcome":"complete"}`, want: garbage},
		"gzip":                       {answer: fhirtest.Answer{Gzip: true}, body: fhirtest.InForce, want: good},
		"said to be gzip":            {answer: fhirtest.Answer{Header: map[string]string{"Content-Encoding": "gzip"}}, body: fhirtest.InForce, want: garbage},
		"in another packing":         {answer: fhirtest.Answer{Header: map[string]string{"Content-Encoding": "br"}}, body: "\x1b\x02\x00", want: garbage},
		"a byte order mark":          {body: "\ufeff" + fhirtest.InForce, want: good},
		"plain JSON":                 {answer: fhirtest.Answer{Type: "application/json"}, body: fhirtest.InForce, want: good},
		"no type":                    {answer: fhirtest.Answer{Type: "-"}, body: fhirtest.InForce, want: good},
		"HTML":                       {answer: fhirtest.Answer{Type: "text/html"}, body: "<html>", want: garbage},
		"said to be HTML":            {answer: fhirtest.Answer{Type: "text/html; charset=utf-8"}, body: fhirtest.InForce, want: garbage},
		"XML":                        {answer: fhirtest.Answer{Type: "application/fhir+xml"}, body: `<Bundle xmlns="http://hl7.org/fhir"/>`, want: garbage},
		"cut JSON":                   {body: fhirtest.InForce[:200], want: garbage},
		"two documents":              {body: fhirtest.InForce + "{}", want: garbage},
		"a list":                     {body: "[" + fhirtest.InForce + "]", want: garbage},
		"null":                       {body: "null", want: garbage},
		"empty":                      {body: "", want: garbage},
		"no UTF-8":                   {body: with("Nguyễn", "Nguy\xe3n"), want: garbage},
		"10 MB":                      {body: `{"resourceType":"Bundle","x":"` + strings.Repeat("x", 10<<20) + `"}`, want: garbage},
		"10 MB, packed":              {answer: fhirtest.Answer{Gzip: true}, body: `{"resourceType":"Bundle","x":"` + strings.Repeat("x", 10<<20) + `"}`, want: garbage},
		"deep":                       {body: strings.Repeat(`{"resourceType":"Bundle","entry":[{"resource":`, 20000) + "1", want: garbage},
		"a thousand coverages":       {body: with(list, list+strings.Repeat(`{"coverage":{},"inforce":true},`, 1000)), want: want{insurance.Eligible, "PROCEED", "complete", nil, "", nil}},

		// What is no answer.
		"200 and refused":                  {body: fmt.Sprintf(outcome, "forbidden"), want: want{code: "forbidden", err: insurance.ErrRejected}},
		"200 and only information":         {body: `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}`, want: garbage},
		"200 and an empty outcome":         {body: `{"resourceType":"OperationOutcome"}`, want: garbage},
		"queued by status":                 {answer: fhirtest.Answer{Status: 202, Header: map[string]string{"Content-Location": "https://x.example/1"}}, want: want{code: "queued", err: insurance.ErrUnreachable}},
		"204":                              {answer: fhirtest.Answer{Status: 204}, want: garbage},
		"301":                              {answer: fhirtest.Answer{Status: 301, Header: map[string]string{"Location": "/elsewhere"}}, want: garbage},
		"307":                              {answer: fhirtest.Answer{Status: 307, Header: map[string]string{"Location": "/elsewhere"}}, want: garbage},
		"400 and required":                 {answer: fhirtest.Answer{Status: 400}, body: fmt.Sprintf(outcome, "required"), want: want{code: "required", err: insurance.ErrRequest}},
		"400 and throttled":                {answer: fhirtest.Answer{Status: 400}, body: fmt.Sprintf(outcome, "throttled"), want: want{code: "throttled", err: insurance.ErrUnreachable}},
		"400 and a login":                  {answer: fhirtest.Answer{Status: 400}, body: fmt.Sprintf(outcome, "login"), want: want{code: "login", err: insurance.ErrRejected}},
		"400 and a code of its own":        {answer: fhirtest.Answer{Status: 400}, body: fmt.Sprintf(outcome, "Nguyễn Văn An"), want: want{err: insurance.ErrRequest}},
		"400 and nothing":                  {answer: fhirtest.Answer{Status: 400}, want: want{err: insurance.ErrRejected}},
		"400 and HTML":                     {answer: fhirtest.Answer{Status: 400, Type: "text/html"}, body: "<html>", want: want{err: insurance.ErrRejected}},
		"400 and a response of error":      {answer: fhirtest.Answer{Status: 400}, body: with(`"complete"`, `"error"`), want: want{insurance.Unknown, "CHECK_PAPERS", "error", nil, "", nil}},
		"400 and a response in force":      {answer: fhirtest.Answer{Status: 400}, body: fhirtest.InForce, want: want{err: insurance.ErrRejected}},
		"401":                              {answer: fhirtest.Answer{Status: 401}, want: want{err: insurance.ErrRejected}},
		"403 and forbidden":                {answer: fhirtest.Answer{Status: 403}, body: fmt.Sprintf(outcome, "forbidden"), want: want{code: "forbidden", err: insurance.ErrRejected}},
		"404":                              {answer: fhirtest.Answer{Status: 404}, body: fmt.Sprintf(outcome, "not-found"), want: want{code: "not-found", err: insurance.ErrRejected}},
		"405":                              {answer: fhirtest.Answer{Status: 405}, want: want{err: insurance.ErrRejected}},
		"406":                              {answer: fhirtest.Answer{Status: 406}, want: want{err: insurance.ErrRejected}},
		"409":                              {answer: fhirtest.Answer{Status: 409}, body: fmt.Sprintf(outcome, "conflict"), want: want{code: "conflict", err: insurance.ErrUnreachable}},
		"412":                              {answer: fhirtest.Answer{Status: 412}, body: fmt.Sprintf(outcome, "conflict"), want: want{code: "conflict", err: insurance.ErrRejected}},
		"415":                              {answer: fhirtest.Answer{Status: 415}, want: want{err: insurance.ErrRejected}},
		"422 and a business rule":          {answer: fhirtest.Answer{Status: 422}, body: fmt.Sprintf(outcome, "business-rule"), want: want{code: "business-rule", err: insurance.ErrRequest}},
		"428":                              {answer: fhirtest.Answer{Status: 428}, want: want{err: insurance.ErrRejected}},
		"429":                              {answer: fhirtest.Answer{Status: 429, Header: map[string]string{"Retry-After": "1"}}, want: want{err: insurance.ErrUnreachable}},
		"500":                              {answer: fhirtest.Answer{Status: 500}, body: fmt.Sprintf(outcome, "exception"), want: want{code: "exception", err: insurance.ErrUnreachable}},
		"500 that says it is in force":     {answer: fhirtest.Answer{Status: 500}, body: fhirtest.InForce, want: want{err: insurance.ErrUnreachable}},
		"501":                              {answer: fhirtest.Answer{Status: 501}, want: want{err: insurance.ErrRejected}},
		"503 and HTML":                     {answer: fhirtest.Answer{Status: 503, Type: "text/html"}, body: "<html>", want: want{err: insurance.ErrUnreachable}},
		"fatal before error, and the like": {answer: fhirtest.Answer{Status: 400}, body: `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value"},{"severity":"fatal","code":"security"}]}`, want: want{code: "security", err: insurance.ErrRejected}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.answer.Body = c.body; c.answer.Status == 0 {
				c.answer.Status = 200
			}
			s := fhirtest.New(t, (*httptest.Server).Start, c.answer)
			var logged bytes.Buffer
			k := client(t, s.Base(), func(c *fhir.Config) {
				c.Log = func(event string, fields map[string]any) { fmt.Fprintln(&logged, event, fields) }
			})
			q := an
			q.CardCode = c.asked
			e, err := k.Check(context.Background(), q)
			if !errors.Is(err, c.want.err) || (err == nil) != (c.want.err == nil) {
				t.Fatalf("error %v, want %v", err, c.want.err)
			}
			for _, word := range []string{"Nguyễn", "001099", "PVI", "1999", s.URL, "http", "submit?"} {
				if strings.Contains(logged.String()+fmt.Sprint(err), word) {
					t.Errorf("%q is in the log or the error: %s %v", word, logged.String(), err)
				}
			}
			if len(e.Raw) > 64<<10 || strings.Contains(string(e.Raw), "contained") {
				t.Errorf("kept: %s", e.Raw)
			}
			if c.want.err != nil {
				if e.Code != c.want.code || e.Card != nil || e.State != "" {
					t.Errorf("%+v", e)
				}
				return
			}
			var differs []string
			for _, d := range e.Differences {
				differs = append(differs, d.Field+" "+d.Kind)
			}
			got := want{e.State, e.Advice, e.Code, e.Card, strings.Join(differs, ", "), nil}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(want{}), cmpopts.EquateErrors()); d != "" {
				t.Error(d)
			}
			if e.Source != "fhir" || !e.AsOf.Equal(now) || e.Text == "" || e.TextEN == "" || !json.Valid(e.Raw) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// What is asked is valid R4, holds what was known and no more, and is another question each time.
func TestQuestion(t *testing.T) {
	for name, c := range map[string]struct {
		q           insurance.Request
		want        []string
		not         []string
		unaskedWith error
	}{
		"by number": {q: an, want: []string{`"001099012345"`, `"discovery"`, `"text":"Nguyễn Văn An"`, `"birthDate":"1999-01-01"`, `"gender":"male"`, `"servicedDate":"2026-11-23"`,
			`"insurer":{"identifier":{"system":"https://insurer.example/id","value":"PVI"}}`, `"provider":{"identifier":{"value":"01004"}}`}, not: []string{"Coverage\"", "BN-1", "lt.hoa"}},
		"by card":      {q: insurance.Request{CardCode: "PVI-7711", FullName: "An", Operator: "lt.hoa"}, want: []string{`"subscriberId":"PVI-7711"`, `"focal":true`, `"purpose":["validation","benefits"]`}, not: []string{"NI", "birthDate", "PUBLICPOL", "lt.hoa"}},
		"of yesterday": {q: insurance.Request{Number: "1", At: now.AddDate(0, 0, -1)}, want: []string{`"servicedDate":"2026-11-22"`, `"created":"2026-11-23T08:15:03+07:00"`}},
		"of a year":    {q: insurance.Request{Number: "1", DateOfBirth: "1955"}, want: []string{`"birthDate":"1955"`}},
		"of nobody":    {q: insurance.Request{FullName: "An"}, unaskedWith: insurance.ErrRequest},
		"born never":   {q: insurance.Request{Number: "1", DateOfBirth: "1999-02-30"}, unaskedWith: insurance.ErrRequest},
		"endless name": {q: insurance.Request{Number: "1", FullName: strings.Repeat("An ", 5000)}, unaskedWith: insurance.ErrRequest},
		"endless card": {q: insurance.Request{CardCode: strings.Repeat("1", 65)}, unaskedWith: insurance.ErrRequest},
	} {
		t.Run(name, func(t *testing.T) {
			s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Body: fhirtest.InForce})
			k := client(t, s.Base(), nil)
			for range 2 {
				if _, err := k.Check(context.Background(), c.q); !errors.Is(err, c.unaskedWith) || (err == nil) != (c.unaskedWith == nil) {
					t.Fatal(err)
				}
			}
			bodies, headers, _ := s.Asked()
			if c.unaskedWith != nil {
				if _, err := k.Check(context.Background(), c.q); len(bodies) != 0 || !errors.Is(err, insurance.ErrNotAsked) {
					t.Errorf("asked %d times, %v", len(bodies), err)
				}
				return
			}
			if len(bodies) != 2 || bytes.Equal(bodies[0], bodies[1]) {
				t.Fatal("the same question twice")
			}
			valid(t, bodies[0])
			if got := headers[0].Get("Content-Type") + " " + headers[0].Get("Accept"); got != "application/fhir+json application/fhir+json, application/json;q=0.9" {
				t.Error(got)
			}
			for _, w := range c.want {
				if !bytes.Contains(bodies[0], []byte(w)) {
					t.Errorf("no %s in %s", w, bodies[0])
				}
			}
			for _, w := range c.not {
				if bytes.Contains(bodies[0], []byte(w)) {
					t.Errorf("%s in %s", w, bodies[0])
				}
			}
		})
	}
}

// What goes wrong on the way is one kind of error, in a fixed word, and is only sent again where nothing arrived.
func TestOnTheWay(t *testing.T) {
	hijack := func(do func(conn io.ReadWriteCloser)) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				do(conn)
				_ = conn.Close()
			}
		}
	}
	for name, c := range map[string]struct {
		breaks func(http.ResponseWriter, *http.Request)
		word   string
	}{
		"slow":        {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout"},
		"cut at once": {hijack(func(io.ReadWriteCloser) {}), "connection cut"},
		"cut in answer": {hijack(func(c io.ReadWriteCloser) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{")
		}), "connection cut"},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "timeout"},
		"no HTTP at all": {hijack(func(c io.ReadWriteCloser) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n\r\n") }), "network error"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Break: c.breaks})
			k := client(t, s.Base(), func(c *fhir.Config) { c.Timeout = 200 * time.Millisecond })
			_, err := k.Check(context.Background(), an)
			if !errors.Is(err, insurance.ErrUnreachable) || errors.Is(err, insurance.ErrNotAsked) || !strings.HasSuffix(err.Error(), c.word) {
				t.Error(err)
			}
			if bodies, _, _ := s.Asked(); len(bodies) != 1 {
				t.Errorf("sent %d times, although the insurer may have taken the first", len(bodies))
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		s := fhirtest.New(t, (*httptest.Server).Start)
		base := s.Base()
		s.Close()
		calls := 0
		k := client(t, base, func(c *fhir.Config) {
			c.Log = func(event string, _ map[string]any) {
				if event == "fhir.call" {
					calls++
				}
			}
		})
		if _, err := k.Check(context.Background(), an); !errors.Is(err, insurance.ErrUnreachable) || !strings.HasSuffix(err.Error(), "connection refused") || calls != 2 {
			t.Error(err, calls)
		}
	})
	t.Run("left alone", func(t *testing.T) {
		s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Status: 503})
		k := client(t, s.Base(), nil)
		var err error
		for range 8 {
			_, err = k.Check(context.Background(), an)
		}
		if bodies, _, _ := s.Asked(); len(bodies) != 5 || !errors.Is(err, insurance.ErrNotAsked) {
			t.Errorf("%d questions, %v", len(bodies), err)
		}
	})
	t.Run("a queue is no fault", func(t *testing.T) {
		s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Status: 202})
		k := client(t, s.Base(), nil)
		for range 8 {
			_, _ = k.Check(context.Background(), an)
		}
		if bodies, _, _ := s.Asked(); len(bodies) != 8 {
			t.Errorf("%d questions", len(bodies))
		}
	})
	t.Run("the caller's patience", func(t *testing.T) {
		arrived := make(chan struct{}, 1)
		s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Break: func(_ http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; <-r.Context().Done() }})
		k := client(t, s.Base(), nil)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-arrived; cancel() }()
		if _, err := k.Check(ctx, an); !errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrUnreachable) {
			t.Error(err)
		}
		late, stop := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer stop()
		if _, err := k.Check(late, an); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, insurance.ErrUnreachable) {
			t.Error(err)
		}
	})
}

// Tokens: from a file that may be replaced, or granted; a refused one is replaced once, and never again in the same look-up.
func TestTokens(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Body: fhirtest.InForce})
		s.Needs("second")
		reads := 0
		k := client(t, s.Base(), func(c *fhir.Config) {
			c.Token = func() (insurance.Secret, error) {
				reads++
				return insurance.Secret([]string{"first", "second", "third"}[min(reads, 3)-1]), nil
			}
		})
		e, err := k.Check(context.Background(), an)
		bodies, _, _ := s.Asked()
		if err != nil || e.State != insurance.Eligible || len(bodies) != 2 || !bytes.Equal(bodies[0], bodies[1]) {
			t.Errorf("%v %v, %d questions", e.State, err, len(bodies))
		}
		s.Needs("of nobody")
		if _, err := k.Check(context.Background(), an); !errors.Is(err, insurance.ErrRejected) || strings.Contains(fmt.Sprint(err), "third") {
			t.Error(err)
		}
	})
	t.Run("file that is none", func(t *testing.T) {
		for _, token := range []string{"", "two words", "x\r\ny", strings.Repeat("x", 20000)} {
			s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Body: fhirtest.InForce})
			k := client(t, s.Base(), func(c *fhir.Config) {
				c.Token = func() (insurance.Secret, error) { return insurance.Secret(token), nil }
			})
			_, err := k.Check(context.Background(), an)
			if bodies, _, _ := s.Asked(); !errors.Is(err, insurance.ErrRejected) || !errors.Is(err, insurance.ErrNotAsked) || len(bodies) != 0 {
				t.Errorf("%v, %d questions", err, len(bodies))
			}
		}
	})
	granted := func(s *fhirtest.Server, secret string) func(*fhir.Config) {
		return func(c *fhir.Config) {
			c.OAuth = &fhir.OAuth{TokenURL: s.TokenURL(), ClientID: "desk", ClientSecret: insurance.Secret(secret), Scope: "system/CoverageEligibilityRequest.c"}
		}
	}
	t.Run("granted once for many", func(t *testing.T) {
		s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Body: fhirtest.InForce})
		s.Needs("granted-1")
		k := client(t, s.Base(), granted(s, "s3cret"))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := k.Check(context.Background(), an); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, _, grants := s.Asked(); grants != 1 {
			t.Errorf("%d tokens", grants)
		}
		s.Needs("granted-2") // the server has forgotten the first
		if _, err := k.Check(context.Background(), an); err != nil {
			t.Error(err)
		}
		if _, _, grants := s.Asked(); grants != 2 {
			t.Errorf("%d tokens", grants)
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Body: fhirtest.InForce})
		k := client(t, s.Base(), granted(s, "wr0ng"))
		_, err := k.Check(context.Background(), an)
		if bodies, _, _ := s.Asked(); !errors.Is(err, insurance.ErrRejected) || len(bodies) != 0 || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%v, %d questions", err, len(bodies))
		}
	})
}

// TLS: nobody but who is vouched for is asked, and this client shows who it is where it has a certificate.
func TestTLS(t *testing.T) {
	authority, mine := certificates(t)
	quiet := log.New(io.Discard, "", 0) // of handshakes that are to fail
	trusting := func(s *httptest.Server) { s.Config.ErrorLog = quiet; s.StartTLS() }
	mutual := func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority}
		s.Config.ErrorLog = quiet
		s.StartTLS()
	}
	trusts := func(s *fhirtest.Server) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(s.Certificate())
		return p
	}
	for name, c := range map[string]struct {
		start func(*httptest.Server)
		trust bool
		cert  *tls.Certificate
		word  string // of the error
	}{
		"vouched for":         {trusting, true, nil, ""},
		"vouched for by none": {trusting, false, nil, "certificate or TLS version not accepted"},
		"mutual":              {mutual, true, mine, ""},
		"without ours":        {mutual, true, nil, "certificate or TLS version not accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fhirtest.New(t, c.start, fhirtest.Answer{Body: fhirtest.InForce})
			k := client(t, s.Base(), func(cfg *fhir.Config) {
				cfg.Certificate = c.cert
				if c.trust {
					cfg.RootCAs = trusts(s)
				}
			})
			e, err := k.Check(context.Background(), an)
			if c.word == "" && (err != nil || e.State != insurance.Eligible) {
				t.Error(err)
			}
			if c.word != "" && (!errors.Is(err, insurance.ErrUnreachable) || !strings.HasSuffix(err.Error(), c.word)) {
				t.Error(err)
			}
			if bodies, _, _ := s.Asked(); len(bodies) != map[bool]int{true: 1}[c.word == ""] {
				t.Errorf("%d questions", len(bodies))
			}
		})
	}
}

// certificates are an authority and a client certificate of it.
func certificates(t *testing.T) (*x509.CertPool, *tls.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return pool, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A configuration that cannot be right is refused before anybody is asked, and its values are not repeated.
func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*fhir.Config){
		"no address":   func(c *fhir.Config) { c.BaseURL = "" },
		"in clear":     func(c *fhir.Config) { c.BaseURL = "http://fhir.s3cret.example/r4" },
		"by a name":    func(c *fhir.Config) { c.BaseURL = "http://localhost/r4" },
		"with a login": func(c *fhir.Config) { c.BaseURL = "https://u:s3cret@fhir.example/r4" },
		"with a query": func(c *fhir.Config) { c.BaseURL = "https://fhir.example/r4?key=s3cret" },
		"no insurer":   func(c *fhir.Config) { c.Insurer = fhir.Identifier{} },
		"two tokens": func(c *fhir.Config) {
			c.Token = func() (insurance.Secret, error) { return "", nil }
			c.OAuth = &fhir.OAuth{}
		},
		"token in clear": func(c *fhir.Config) {
			c.OAuth = &fhir.OAuth{TokenURL: "http://s3cret.example", ClientID: "x", ClientSecret: "x"}
		},
		"no client":        func(c *fhir.Config) { c.OAuth = &fhir.OAuth{TokenURL: "https://x.example", ClientSecret: "s3cret"} },
		"negative time":    func(c *fhir.Config) { c.Timeout = -1 },
		"mutual, in clear": func(c *fhir.Config) { c.BaseURL = "http://127.0.0.1:1/r4"; c.Certificate = &tls.Certificate{} },
	} {
		c := fhir.Config{BaseURL: "https://fhir.example/r4", Insurer: fhir.Identifier{Value: "x"}, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
		if _, err := fhir.New(c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if _, err := fhir.New(c); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
