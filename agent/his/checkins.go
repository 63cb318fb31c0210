package his

import (
	"context"
	"encoding/json"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
)

// What is done with a check-in after its end, and beside it. Whose it is, is the engine's to know; who may have one at all
// stands in the table of methods.

// operatorOf is who is responsible for something: whom the request names, on the client's word, or the session's operator.
func (c *conn) operatorOf(asked *checkin.Operator) (*checkin.Operator, error) {
	if asked == nil || c.session.token.Operator != "" {
		return c.session.operator, nil // who is vouched for stays who it is
	}
	if asked.ID == "" || !short(asked.ID, 100) {
		return nil, badField("operator.id")
	}
	return &checkin.Operator{ID: asked.ID, Source: "his"}, nil
}

func linkCheckin(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.LinkRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	return c.s.c.Engine.Link(ctx, c.session.owner, r)
}

func decideCheckin(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.DecideRequest
	err := decode(params, &r)
	if err != nil {
		return nil, err
	}
	if r.Operator, err = c.operatorOf(r.Operator); err != nil {
		return nil, err
	}
	return c.s.c.Engine.Decide(ctx, c.session.owner, r)
}

func voidCheckin(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.VoidRequest
	err := decode(params, &r)
	if err != nil {
		return nil, err
	}
	if r.Operator, err = c.operatorOf(r.Operator); err != nil {
		return nil, err
	}
	return c.s.c.Engine.Void(ctx, c.session.owner, r)
}

func listCheckins(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.ListRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	return c.s.c.Engine.List(ctx, c.session.owner, r)
}

func exportCheckin(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.ExportRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	return c.s.c.Engine.Export(ctx, c.session.owner, c.session.rights, r)
}

func proveCheckin(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.ProofRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	a, err := c.s.c.Engine.ProofFor(ctx, c.session.owner, c.session.rights, r)
	if err != nil {
		return nil, err
	}
	page, err := c.s.c.Paper(a.Paper)
	if err != nil || len(page) > maxPaper {
		return nil, catalog.New(catalog.Internal, nil)
	}
	a.HTML = string(page)
	return a, nil
}

// maxPaper bounds a paper, in bytes.
const maxPaper = 1 << 20

func checkInsurance(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.CheckRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	r.Operator = c.session.operator
	return c.s.c.Engine.CheckInsurance(ctx, c.session.owner, c.session.rights, c.session.lang, r)
}

func updateVisit(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.VisitRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	return c.s.c.Engine.UpdateVisit(ctx, c.session.owner, c.session.rights, c.session.lang, r)
}

func closeVisit(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.VisitRequest
	if err := decode(params, &r); err != nil {
		return nil, err
	}
	return c.s.c.Engine.CloseVisit(ctx, c.session.owner, c.session.rights, c.session.lang, r)
}

// Bundle is a diagnostics bundle: a zip archive, redacted, so that it can be sent to somebody.
type Bundle struct {
	Name     string
	Data     []byte
	Contents []BundleFile
	LeftOut  []string // what was left out on purpose, or could not be had, in words
}

// BundleFile is one file of a bundle.
type BundleFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"` // of the file itself
}

// maxBundle bounds a bundle, in bytes.
const maxBundle = 8 << 20

func makeBundle(ctx context.Context, c *conn, _ json.RawMessage) (any, error) {
	select { // one is enough for everybody
	case c.s.bundle <- struct{}{}:
		defer func() { <-c.s.bundle }()
	default:
		return nil, catalog.New(catalog.RateLimited, nil)
	}
	b, err := c.s.c.Bundle(ctx)
	if err != nil {
		return nil, err
	}
	if len(b.Data) == 0 || len(b.Data) > maxBundle {
		return nil, catalog.New(catalog.Internal, nil)
	}
	if b.Contents == nil {
		b.Contents = []BundleFile{}
	}
	if b.LeftOut == nil {
		b.LeftOut = []string{}
	}
	return struct {
		MIME     string       `json:"mime"`
		Name     string       `json:"name"`
		Data     []byte       `json:"data"`
		Contents []BundleFile `json:"contents"`
		LeftOut  []string     `json:"leftOut"`
	}{"application/zip", b.Name, b.Data, b.Contents, b.LeftOut}, nil
}
