// Package bhyt asks the health insurance gateway of Vietnam Social Security (cổng tiếp nhận dữ liệu giám định BHYT) about one
// person's insurance card. It is an insurance.Provider.
//
// # The gateway
//
// A look-up is two calls. POST {host}/api/token/take gives a token for the facility's account (user name "<facility code>_BV",
// password as MD5 in hex). POST
// {host}/api/egw/KQNhanLichSuKCB2024 asks about one card: by its code (15 characters), by the social insurance number
// (10 digits) or by the personal number (12 digits), with the person's name and date of birth, and with the name and personal
// number of the staff member who asks, whom the facility has registered. The facility's address on the Internet is registered
// too. An expired token shows as HTTP 401 or 403, or as HTTP 200 with the result code 401: one new token, and the
// look-up once more. Production is https://egw.baohiemxahoi.gov.vn, training is https://daotaoegw.baohiemxahoi.gov.vn.
// The result codes stand in codes.json, each with where it comes from; a code that is not there is handed on as it came.
//
// A third call, POST {host}/api/egw/Lskcb2025, tells what the person was treated for; it takes the same fields, form-urlencoded only.
//
// In whose name is asked is found by the operator, else by the desk, else it is the facility's own registered member of staff (Staff).
//
// # What it promises
//
// Check ends with its context. A look-up that was not answered is an error of package insurance: ErrUnreachable (network, time,
// 5xx, the portal's own faults; ask again later), ErrRejected (account, rights, registered staff: somebody must act), ErrGarbage (no
// answer of this gateway: an error page, a redirect, cut or oversized JSON), ErrRequest (this question cannot be answered). An
// answer that refuses the person is no error. A failure of History says nothing about a look-up, and holds none up.
//
// All calls only ask, so one that was not answered may be made again: twice at most, within Config.Timeout altogether, with growing and
// uneven pauses, where the connection was cut or refused or a server before the gateway is overloaded. What timed out or was answered is
// not. A Retry-After is heeded (up to two minutes). At most Config.Parallel look-ups are under way; who waits for his turn in vain gets
// ErrNotAsked. After five unanswered look-ups in a row the gateway is left alone for 15 s; calls in that time get ErrNotAsked at once, so that
// no patient waits for what will not come. A caller whose own time ends before the gateway has had two fifths of Config.Timeout (four seconds
// of ten) does not count.
//
// A token is used until 60 s before its end, then refreshed beside the calls that go on to use it, by one call however many there
// are; where there is none, all wait for the same one.
//
// The gateway wants its secrets in the URL. So no error, no log and no redirect ever carries a URL; what went wrong is said in a
// fixed word. Answers are read up to 1 MiB. Lists in an answer are dropped before anything is kept: of who else asked about a card, facility,
// time and code are told (Eligibility.LookedUpBy), of earlier visits nothing but by History. Names in an old encoding are compared
// as what they say (insurance.ReadName).
//
// A card has to be valid on the day of the visit (Request.At), which may not be that of the look-up. Answers of the training system, and of a
// gateway that only plays one (SimulatedHeader), are marked insurance.SourceTraining.
//
// Sources: CV 1923/BHXH-CNTT of 20/06/2024 with its annex 03; CV 2746/BHXH-CNTT of 2025 (history moved to a call of its own).
package bhyt
