// Package fhirtest is an insurer's FHIR R4 server for tests: it serves CoverageEligibilityRequest/$submit and a token endpoint
// on loopback, answers as it is told to, and remembers what it was asked.
package fhirtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Answer is what the server says. In Body, "$REQUEST" is the identifier of the request that is answered.
type Answer struct {
	Status int               // 0 is 200
	Type   string            // Content-Type; empty is application/fhir+json, "-" is none
	Header map[string]string // besides
	Body   string
	Gzip   bool
	Break  func(w http.ResponseWriter, r *http.Request) // does all of it
}

// Server is the insurer's server.
type Server struct {
	*httptest.Server

	mu        sync.Mutex
	answers   []Answer // one after the other; the last one stays
	asked     []json.RawMessage
	headers   []http.Header
	grants    int
	needs     string // the token that it takes; empty: any, or none
	grantLife int
}

// New starts a server over plain http, or over TLS where start is (*httptest.Server).StartTLS.
func New(t testing.TB, start func(*httptest.Server), answers ...Answer) *Server {
	t.Helper()
	s := &Server{answers: answers, grantLife: 3600}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

// Base is the service base URL.
func (s *Server) Base() string { return s.URL + "/fhir/r4" }

// TokenURL is where tokens are to be had: for client "desk" with the secret "s3cret". They are "granted-1", "granted-2" and so on.
func (s *Server) TokenURL() string { return s.URL + "/token" }

// Answers sets what is said from now on.
func (s *Server) Answers(a ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = a
}

// Needs sets the one token that is taken from now on.
func (s *Server) Needs(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.needs = token
}

// Asked are the bodies that came to $submit, with their headers, and how many tokens were given.
func (s *Server) Asked() ([]json.RawMessage, []http.Header, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]json.RawMessage(nil), s.asked...), append([]http.Header(nil), s.headers...), s.grants
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/token":
		s.grant(w, r, string(body))
	case r.Method == http.MethodPost && r.URL.Path == "/fhir/r4/CoverageEligibilityRequest/$submit":
		s.submit(w, r, body)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) grant(w http.ResponseWriter, r *http.Request, form string) {
	id, secret, _ := r.BasicAuth()
	if id != "desk" || secret != "s3cret" || !strings.Contains(form, "grant_type=client_credentials") {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
		return
	}
	s.mu.Lock()
	s.grants++
	n := s.grants
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"access_token":"granted-`+strconv.Itoa(n)+`","token_type":"Bearer","expires_in":`+strconv.Itoa(s.grantLife)+`}`)
}

func (s *Server) submit(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	s.asked, s.headers = append(s.asked, body), append(s.headers, r.Header.Clone())
	refuse := s.needs != "" && r.Header.Get("Authorization") != "Bearer "+s.needs
	var a Answer
	if !refuse && len(s.answers) > 0 {
		a = s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
	}
	s.mu.Unlock()
	if refuse {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if a.Break != nil {
		a.Break(w, r)
		return
	}
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	switch a.Type {
	case "":
		w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	case "-":
		w.Header()["Content-Type"] = nil
	default:
		w.Header().Set("Content-Type", a.Type)
	}
	text := []byte(strings.ReplaceAll(a.Body, "$REQUEST", requestID(body)))
	if a.Gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(text)
		_ = z.Close()
		text = b.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = w.Write(text)
}

// requestID is the identifier of the request in a question.
func requestID(body []byte) string {
	var b struct {
		Entry []struct {
			Resource struct {
				ResourceType string `json:"resourceType"`
				Identifier   []struct {
					Value string `json:"value"`
				} `json:"identifier"`
			} `json:"resource"`
		} `json:"entry"`
	}
	_ = json.Unmarshal(body, &b)
	for _, e := range b.Entry {
		if e.Resource.ResourceType == "CoverageEligibilityRequest" && len(e.Resource.Identifier) > 0 {
			return e.Resource.Identifier[0].Value
		}
	}
	return ""
}

// InForce is the answer of an insurer that covers the person, with their number, name and date of birth.
const InForce = `{"resourceType":"CoverageEligibilityResponse","status":"active","purpose":["validation"],
	"contained":[
		{"resourceType":"Patient","id":"p","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"NI"}]},"value":"001099012345"}],
		 "name":[{"family":"Nguyễn","given":["Văn","An"]}],"gender":"male","birthDate":"1999-01-01"},
		{"resourceType":"Coverage","id":"c","status":"active","subscriberId":"PVI-7711","beneficiary":{"reference":"#p"},"payor":[{"display":"x"}]}],
	"patient":{"reference":"#p"},"created":"2026-11-23","request":{"identifier":{"system":"urn:ietf:rfc:3986","value":"$REQUEST"}},
	"outcome":"complete","insurer":{"display":"x"},
	"insurance":[{"coverage":{"reference":"#c"},"inforce":true,"benefitPeriod":{"start":"2026-01-01","end":"2026-12-31"},
		"item":[{"category":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/ex-benefitcategory","code":"30"}]},
			"benefit":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/benefit-type","code":"copay-percent"}]},"allowedUnsignedInt":20}]}]}]}`
