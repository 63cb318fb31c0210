package his

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/tapcheck/tapcheck/agent/checkin"
)

// How pictures travel (session.open): as base64 within the JSON, or as a binary frame of their own. That one follows directly
// on the text frame whose portrait has its number: the number in 4 bytes, big-endian, then the picture.
const (
	picturesInline = "inline"
	picturesBinary = "binary"
)

// pictured is a result whose picture goes as a frame behind it.
type pictured struct {
	result any
	frame  []byte
}

// announce gives a picture a number: what the JSON says of it, and the frame.
func (c *conn) announce(p *checkin.Picture) (checkin.Picture, []byte) {
	n := c.frames.Add(1)
	return checkin.Picture{MIME: p.MIME, Width: p.Width, Height: p.Height, Bytes: len(p.Data), Frame: n},
		slices.Concat(binary.BigEndian.AppendUint32(nil, n), p.Data)
}

// withFrame gives of a status what the session may see, with the picture beside it where the session wants that.
func (c *conn) withFrame(st checkin.JobStatus, err error) (any, error) {
	if err == nil && st.Need != nil {
		if n, less := st.Need.Within(c.session.rights); less {
			st.Need = &n
		}
	}
	if err == nil && st.Result != nil {
		if r, less := st.Result.Within(c.session.rights); less {
			st.Result = &r
		}
	}
	if err != nil || !c.session.binary || st.Result == nil || st.Result.Portrait == nil {
		return st, err
	}
	r := *st.Result // the engine's own is not ours to change
	p, raw := c.announce(r.Portrait)
	r.Portrait, st.Result = &p, &r
	return pictured{st, raw}, nil
}

// tell passes on what the session may see of an event, with its picture as the session wants it.
func (c *conn) tell(e checkin.Event) {
	if e.Result != nil {
		if r, less := e.Result.Within(c.session.rights); less {
			raw, err := json.Marshal(r)
			if err != nil {
				return // it was encoded before, with more in it
			}
			e.Params, e.Picture = raw, r.Portrait
		}
	}
	if e.Need != nil {
		if n, less := e.Need.Within(c.session.rights); less {
			raw, err := json.Marshal(n)
			if err != nil {
				return
			}
			e.Params = raw
		}
	}
	if e.Notice > 0 {
		f := frame{text: notification(e.Method, e.Params), notice: e.Notice}
		c.order.Lock()
		defer c.order.Unlock()
		c.queue(f)
		return
	}
	if e.Picture == nil || !c.session.binary {
		c.notify(e.Method, e.Params)
		return
	}
	var params map[string]json.RawMessage
	if json.Unmarshal(e.Params, &params) != nil { // the engine has made it
		return
	}
	p, raw := c.announce(e.Picture)
	params["portrait"], _ = json.Marshal(p)
	f := frame{text: notification(e.Method, params), picture: raw}
	c.order.Lock()
	defer c.order.Unlock()
	c.queue(f)
}
