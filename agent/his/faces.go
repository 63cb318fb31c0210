package his

import (
	"context"
	"encoding/json"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
)

// The face of a check-in. Its pictures come in requests, larger than any others, and are wiped when they were looked at.

// maxPictured bounds the params of a request with a picture, in bytes: 4 MiB of picture in base64, and the rest.
const maxPictured = 6 << 20

// decodePicture reads params with a picture in them, and leaves nothing of them.
func decodePicture(params json.RawMessage) (p checkin.FaceFrameParams, err error) {
	defer clear(params)
	if err := decodeUpTo(maxPictured, params, &p); err != nil {
		clear(p.Image.Data)
		return p, err
	}
	return p, jobID(p.JobID)
}

func faceFrame(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	p, err := decodePicture(params)
	if err != nil {
		return nil, err
	}
	return c.s.c.Engine.FaceFrame(ctx, c.session.owner, p)
}

// faceDropped answers a frame that came while more of them are under way on its socket than are served at a time.
func faceDropped(_ context.Context, c *conn, params json.RawMessage) (any, error) {
	p, err := decodePicture(params)
	clear(p.Image.Data)
	if err != nil {
		return nil, err
	}
	return c.s.c.Engine.FaceDropped(c.session.owner, p.JobID)
}

func faceVerify(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	p, err := decodePicture(params)
	if err != nil {
		return nil, err
	}
	return c.s.c.Engine.FaceVerify(ctx, c.session.owner, p)
}

func recordConsent(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var r checkin.ConsentRequest
	err := decode(params, &r)
	if err != nil {
		return nil, err
	}
	if r.Operator, err = c.operatorOf(r.Operator); err != nil {
		return nil, err
	}
	return c.s.c.Engine.RecordConsent(ctx, c.session.owner, r)
}

// mayAct says whether a session may act on the face of a job.
func (s *session) mayAct() *catalog.Error {
	if s.rights.Face {
		return nil
	}
	return forbidden("face")
}
