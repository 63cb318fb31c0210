// Package relay asks one machine of the hospital about a person's insurance, in place of the insurer. It is an insurance.Provider.
//
// A hospital has one registered address and one account. With a relay they stand on one machine, which asks for every desk: no desk
// holds the account's password, and none needs a way to the Internet. The relay itself comes with the hub; this package is the desk's side
// and the contract between the two.
//
// # The contract
//
// HTTPS with TLS 1.3 and certificates on both sides. The desk knows the relay by the hospital's own CA and the name in the address, nothing
// else; the relay knows the desk by its certificate. No secret is in a URL, a header or a body.
//
//	POST /v1/eligibility   Question → Answer with eligibility, or with error
//	POST /v1/history       Question → Answer with history, or with error
//
// Both are JSON in UTF-8, a Question of at most 16 KiB and an Answer of at most 256 KiB. Both only ask, so a call that was cut off may be made
// again. A Question is
//
//	{"request": {"number": "001099012345", "cardCode": "", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01", "sex": "male",
//	             "operator": "lt.hoa", "desk": "tiep-don-1", "at": "2026-11-23T08:15:03+07:00"}}
//
// (insurance.Request), where operator and desk are ids: whom the insurer is told, the relay knows. An Answer is
//
//	{"eligibility": {"state": "eligible", "code": "000", …}, "raw": "base64 of what the insurer said"}   status 200
//	{"error": "unreachable", "code": "101"}                                                              status 200
//
// with an eligibility as the desk's protocol has it (insurance.Eligibility), or an error: "unreachable" (ask again later), "not_asked" (the
// relay did not ask because it leaves the insurer alone), "rejected" (account, rights or settings: a person must act), "garbage" (the insurer's
// answer was none), "request" (this question cannot be answered), with the insurer's result code where there was one. An error may have
// raw beside it. Status 403 says that this desk may not ask, 429 and 503 that it asks too much or too early; any other status, and
// whatever else is no Answer, is garbage.
//
// The relay may be asked for history only for those desks whose HIS has the right; it keeps none of it.
//
// # What the desk believes
//
// The relay is the hospital's own, and what it says is still bounded and looked at: unknown states, texts without end, codes and dates of
// another form and cards that do not cover the day of an "eligible" are not taken over. Every answer is marked as the relay's
// (insurance.SourceRelay).
package relay
