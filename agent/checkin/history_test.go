package checkin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// historian also tells what a person was treated for.
type historian struct {
	insurer
	tell func(context.Context, insurance.Request) (insurance.History, error)
}

func (h historian) History(ctx context.Context, r insurance.Request) (insurance.History, error) {
	return h.tell(ctx, r)
}

// TestHistory: it takes the right, its failure spoils nothing, and no word of it is in the book, in a result or in the log.
func TestHistory(t *testing.T) {
	ill := insurance.History{Code: "200", Visits: []insurance.Visit{{Facility: "79013", Diagnosis: "Viêm phổi"}}}
	clinical := all
	clinical.History = true
	for name, c := range map[string]struct {
		insurer   insurance.Provider
		reason    string
		visits    int
		disclosed bool
	}{
		"told": {insurer: historian{covered, func(context.Context, insurance.Request) (insurance.History, error) { return ill, nil }}, visits: 1, disclosed: true},
		"unreachable": {insurer: historian{covered, func(context.Context, insurance.Request) (insurance.History, error) {
			return ill, insurance.ErrUnreachable
		}}, reason: "INSURANCE_UNREACHABLE"},
		"garbage": {insurer: historian{covered, func(context.Context, insurance.Request) (insurance.History, error) { return ill, insurance.ErrGarbage }}, reason: "INSURANCE_GARBAGE"},
		"never ends": {insurer: historian{covered, func(ctx context.Context, _ insurance.Request) (insurance.History, error) {
			<-ctx.Done()
			return ill, ctx.Err()
		}}, reason: "INSURANCE_UNREACHABLE"},
		"panics":       {insurer: historian{covered, func(context.Context, insurance.Request) (insurance.History, error) { panic("no") }}, reason: "INTERNAL"},
		"not provided": {insurer: insurer(covered), reason: "NOT_AVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, nil, func(cfg *Config, _ *bench) { cfg.Insurer = c.insurer }, func(t *testing.T, b *bench) {
				client := b.attach(his)
				client.start(byNumber("j1"))
				client.result("j1")
				if _, err := b.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{JobID: "j1", History: true}); idOf(err) != catalog.Forbidden {
					t.Errorf("without the right: %v", err)
				}
				got, err := b.e.CheckInsurance(t.Context(), his, clinical, catalog.VI, CheckRequest{JobID: "j1", History: true, Operator: &Operator{ID: "lt.hoa"}})
				h := got.Eligibility.History
				if err != nil || got.Eligibility.State != insurance.Eligible || h == nil || h.Reason != c.reason || len(h.Visits) != c.visits {
					t.Fatalf("%+v %+v %v", got.Eligibility, h, err)
				}
				disclosed := false
				for _, d := range entries[journal.Disclosure](b.book) {
					disclosed = disclosed || strings.Contains(strings.Join(d.Fields, ","), "history")
				}
				if disclosed != c.disclosed {
					t.Errorf("on record that it was told: %v", disclosed)
				}
				status, err := b.e.Status(t.Context(), his, "j1")
				kept, _ := json.Marshal([]any{b.book.entries, status})
				if all := fmt.Sprintf("%s %+v %s", kept, b.book.entries, strings.Join(b.log, "\n")); err != nil || strings.Contains(all, "Viêm phổi") {
					t.Error("it is kept", err)
				}
			})
		})
	}
}

// TestSuppliedRules: what a HIS was told is under the rules of the agent's own answers, and says on whose word it stands.
func TestSuppliedRules(t *testing.T) {
	in := func(from, to string) *insurance.Eligibility {
		return &insurance.Eligibility{State: insurance.Eligible, Source: "bhyt-gateway", Raw: []byte("x"), Card: &insurance.Card{Code: "GD4010123456789", From: from, To: to, BenefitRate: 100},
			History: &insurance.History{Visits: []insurance.Visit{{Diagnosis: "Viêm phổi"}}}}
	}
	for name, c := range map[string]struct {
		said *insurance.Eligibility
		want insurance.State
	}{
		"in force":      {in("1990-01-01", "2099-12-31"), insurance.Eligible},
		"over":          {in("1990-01-01", "1991-12-31"), insurance.Check},
		"not yet":       {in("2098-01-01", ""), insurance.Check},
		"without dates": {in("", ""), insurance.Eligible},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, nil, func(cfg *Config, _ *bench) {
				cfg.Now = in2026 // the law has a day
				cfg.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
					return insurance.Eligibility{}, errors.New("asked")
				})
			}, func(t *testing.T, b *bench) {
				client := b.attach(his)
				r := byNumber("j1")
				r.Insurance, r.Eligibility = "supplied", c.said
				client.start(r)
				got := client.result("j1").Eligibility
				if got.State != c.want || got.Source != insurance.SourceSupplied || got.Card.BenefitRate != 80 || got.Raw != nil || got.History != nil {
					t.Errorf("%+v %+v", got, got.Card)
				}
				if (got.Advice == "CHECK_PAPERS") != (c.want == insurance.Check) {
					t.Error("advice", got.Advice)
				}
			})
		})
	}
}

// TestTrainingIsSaid: whoever gets an answer of the training system is told that it is none.
func TestTrainingIsSaid(t *testing.T) {
	for source, want := range map[string]bool{insurance.SourceTraining: true, insurance.SourceGateway: false} {
		inBench(t, nil, func(cfg *Config, _ *bench) {
			cfg.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
				e, err := covered(ctx, r)
				e.Source = source
				return e, err
			})
		}, func(t *testing.T, b *bench) {
			client := b.attach(his)
			client.start(byNumber("j1"))
			said := func(r Result) bool { return strings.Contains(strings.Join(warningsOf(r), " "), catalog.WarnTraining) }
			if r := client.result("j1"); said(r) != want {
				t.Errorf("%s: %v", source, r.Warnings)
			}
			if _, err := b.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{JobID: "j1"}); err != nil {
				t.Error(err)
			}
			if s, err := b.e.Status(t.Context(), his, "j1"); err != nil || said(*s.Result) != want {
				t.Errorf("%s, asked again: %+v %v", source, s.Result.Warnings, err)
			}
		})
	}
}
