package bhyt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
)

// answerCase is one file of testdata/gateway/answers: what the gateway answers, and what is made of it.
type answerCase struct {
	About   string            `json:"about"`
	Now     time.Time         `json:"now"`
	Request insurance.Request `json:"request"`
	Status  int               `json:"status"`
	Answer  json.RawMessage   `json:"answer"`
	Body    *string           `json:"body"` // in place of Answer, where it is no JSON
	Want    *struct {
		State       insurance.State        `json:"state"`
		Code        string                 `json:"code"`
		Advice      string                 `json:"advice"`
		Text        string                 `json:"text"` // compared where it is given
		Card        *insurance.Card        `json:"card"`
		Differences []insurance.Difference `json:"differences"`
		LookedUpBy  []insurance.LookUp     `json:"lookedUpBy"`
	} `json:"want"`
	Error string   `json:"error"`
	Keeps []string `json:"keeps"` // in the raw answer
	Drops []string `json:"drops"` // not in the raw answer
}

var sentinels = map[string]error{
	"unreachable": insurance.ErrUnreachable, "rejected": insurance.ErrRejected, "garbage": insurance.ErrGarbage, "request": insurance.ErrRequest,
}

func readCases(t testing.TB) map[string]answerCase {
	t.Helper()
	files, err := filepath.Glob("../../testdata/gateway/answers/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	cases := map[string]answerCase{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var c answerCase
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		cases[strings.TrimSuffix(filepath.Base(f), ".json")] = c
	}
	return cases
}

// canned answers every look-up the same.
func canned(t testing.TB, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i","token_type":"Bearer","username":"u","expires_in":"2099-01-01T00:00:00.1234567Z"}}`)
			return
		}
		if status >= 300 && status < 400 {
			w.Header().Set("Location", "http://127.0.0.1:9/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAnswers(t *testing.T) {
	cases := readCases(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			body := string(c.Answer)
			if c.Body != nil {
				body = *c.Body
			}
			client := newClient(t, canned(t, c.Status, body), func(k *bhyt.Config) { k.Now = func() time.Time { return c.Now } })
			got, err := client.Check(context.Background(), c.Request)
			if c.Error != "" {
				for id, sentinel := range sentinels {
					if errors.Is(err, sentinel) != (id == c.Error) {
						t.Errorf("error %v, want %s and nothing else", err, c.Error)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := insurance.Eligibility{State: c.Want.State, Source: bhyt.Source, AsOf: c.Now, Code: c.Want.Code, Advice: c.Want.Advice, Card: c.Want.Card, Differences: c.Want.Differences, LookedUpBy: c.Want.LookedUpBy}
			if d := cmp.Diff(want, got, cmpopts.IgnoreFields(insurance.Eligibility{}, "Raw", "Text", "TextEN"),
				cmpopts.IgnoreFields(insurance.Difference{}, "Cause", "Between", "Advice")); d != "" {
				t.Error(d)
			}
			if c.Want.Text != "" && got.Text != c.Want.Text {
				t.Errorf("text %q, want %q", got.Text, c.Want.Text)
			}
			if _, known := bhyt.LookupCode(got.Code); known && (got.Text == "" || got.TextEN == "") {
				t.Error("a known code has no text")
			}
			if !json.Valid(got.Raw) {
				t.Errorf("raw: %q", got.Raw)
			}
			for _, s := range c.Keeps {
				if !strings.Contains(string(got.Raw), s) {
					t.Errorf("raw has lost %q", s)
				}
			}
			for _, s := range c.Drops {
				if strings.Contains(string(got.Raw), s) {
					t.Errorf("raw still holds %q", s)
				}
			}
		})
	}
	t.Run("every code has its case", func(t *testing.T) {
		for _, c := range bhyt.Codes() {
			if _, ok := cases["code-"+c.Code]; !ok {
				t.Errorf("no case for code %s", c.Code)
			}
			if c.VI == "" || c.EN == "" || c.Advice == "" || c.Source == "" || (c.State == "") == (c.Error == "") {
				t.Errorf("code %s is not described: %+v", c.Code, c)
			}
			if c.Retriable != errors.Is(c.Err(), insurance.ErrUnreachable) {
				t.Errorf("code %s: retriable and error disagree", c.Code)
			}
		}
	})
}

// The table as people read it: go test -run TestCodeTable -v.
func TestCodeTable(t *testing.T) {
	var b strings.Builder
	for _, c := range bhyt.Codes() {
		what := string(c.State)
		if what == "" {
			what = "error: " + c.Error
		}
		fmt.Fprintf(&b, "%-4s %-19s %-19s %s\n", c.Code, what, c.Advice, c.EN)
	}
	t.Logf("\n%s", b.String())
}
