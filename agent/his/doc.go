// Package his is the websocket that hospital information systems talk to: JSON-RPC 2.0 text frames over
// ws://127.0.0.1:{port}/v1, subprotocol tapcheck.v1, one frame per message.
//
// # Who gets in
//
// One gate (gate.go) stands before every route: the peer is on loopback, the Host is ours, the Origin is allowed or a
// desktop program brings a bearer token, the peer belongs to a session of this PC, and the limits hold. While an
// administrator holds a pairing window open, another origin gets in too, and reaches pairing.* and the agent's proof of
// itself, and nothing else. Our own pages (pages.go) are an origin like any other; what is private among them is for them
// alone. What a session may do stands in the table of methods (methods.go) as the rights that each asks for; what it may
// see is held against its ceiling on every way out (checkin.Result.Within). Each refusal has
// an HTTP status and a frozen id of the catalogue in the header Tapcheck-Reason and in the body, is counted
// (agent.status tells how often), and is logged without anything that the peer sent.
//
// # What is promised
//
//   - agent.hello is the first frame. Before session.open only agent.prove and pairing.* are served; a socket that has not opened its
//     session within ten seconds is closed with CloseSessionTimeout.
//   - Requests of one socket are served one after the other, in the order they came, each with a deadline; but those that wait
//     for a disk or an insurer (checkin.link, checkin.decide, checkin.void, checkin.list, checkin.export, checkin.proof, insurance.check,
//     diagnostics.bundle) are served beside the others, a few at a time.
//   - The answer to checkin.start or card.read leaves before the first notification of its job.
//   - A client that does not read is disconnected with CloseSlow when its bounded queue is full; nobody waits for it.
//   - A token that is revoked loses its sessions: at the next word in either direction, or at the next ping.
//   - Every error is one of the catalogue's, in the session's language. Nothing that the client sent is echoed but the
//     JSON-RPC id.
//   - Methods of the protocol that this agent does not serve answer NOT_AVAILABLE; others UNKNOWN_METHOD. agent.hello
//     lists what is served.
//
// Jobs and their events belong to an owner: the origin or desktop token, within one session of the operating system.
// Another owner's job id is as unknown as one that never was. Sessions end; what is on record belongs to the same client and
// the same user of the PC from then on (checkin.Owner).
//
// # Frames
//
// A frame is one JSON object, UTF-8, at most Limits.FrameBytes long (64 KiB until the session is open) and nested at most
// 32 deep. Batches are refused as INVALID_REQUEST: every client of this protocol is interactive, and a batch would let one
// frame stand for any number of requests. A request without an id is served and not answered, as JSON-RPC says. The same
// id may be used again. Closing codes: 1003 for a binary frame, 1007 for text that is not UTF-8, 1009 for a frame that is
// too long, 1001 when the agent stops, and the Close constants.
//
// The agent sends one kind of binary frame: a portrait, to a session that wants pictures so, right behind the text frame that
// announces it (pictures.go).
//
// Each id of the catalogue has one JSON-RPC code: a frame that is JSON and no request is INVALID_REQUEST with -32600, wrong
// params are BAD_REQUEST with -32602; detail.field says what is wrong. testdata/his/bad has what comes of every member of
// every method.
//
// # Why not a JSON-RPC library
//
// creachadair/jrpc2 was tried first. Its server keeps an unbounded queue of requests, answers after the handler has
// returned without saying when (so a notification can overtake the answer that announces its job), refuses a repeated id
// with an error that echoes it, and writes to the socket under its lock, so a slow client would be waited for. The
// dispatcher here is small enough to be read in one sitting; the tests drive it with jrpc2's client, so that both sides
// do not share one understanding of the standard.
package his
