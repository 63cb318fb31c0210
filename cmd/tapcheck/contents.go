package main

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// rawFiles are what read --raw asks for beyond what a check-in reads, and detailFiles what read --all-data does. Fingerprints and irises
// are terminalFiles: they open for a terminal with certificates only.
var (
	rawFiles = []lds.FileID{lds.ATRInfo, lds.CardSecurity, lds.COM, lds.DG(5), lds.DG(6), lds.DG(7), lds.DG(8), lds.DG(9), lds.DG(10),
		lds.DG(11), lds.DG(12), lds.DG(13), lds.DG(16)}
	terminalFiles = []lds.FileID{lds.DG(3), lds.DG(4)}
	detailFiles   = []lds.FileID{lds.DG(11), lds.DG(12), lds.DG(16)}
)

// chipResult is a result of read or inspect: that of a job, and what else the chip holds. No job result has the latter.
type chipResult struct {
	checkin.Result
	Contents *contents `json:"contents,omitempty"`
}

// contents is icao.Contents as JSON. Pictures and biometric data are described and not given: nobody has decoded them.
type contents struct {
	COM          *lds.COMInfo        `json:"com,omitempty"`
	ATRInfo      *extents            `json:"atrInfo,omitempty"`
	CardSecurity *lds.PassiveVerdict `json:"cardSecurity,omitempty"`
	Terminal     *terminal           `json:"terminal,omitempty"`
	DG14         []string            `json:"dg14,omitempty"` // object identifiers of the protocols
	DG15         *publicKey          `json:"dg15,omitempty"`

	// With --all-data only.
	DG3  []biometric           `json:"dg3,omitempty"`
	DG4  []biometric           `json:"dg4,omitempty"`
	DG5  []rawPicture          `json:"dg5,omitempty"`
	DG7  []rawPicture          `json:"dg7,omitempty"`
	DG11 *person               `json:"dg11,omitempty"`
	DG12 *document             `json:"dg12,omitempty"`
	DG13 *unknownFields        `json:"dg13,omitempty"` // what is understood of it is in the identity
	DG16 []lds.Contact         `json:"dg16,omitempty"`
	Why  map[lds.FileID]string `json:"missing,omitempty"` // id of the catalogue
}

type extents struct {
	MaxCommand  int  `json:"maxCommand,omitempty"`  // bytes
	MaxResponse int  `json:"maxResponse,omitempty"` // bytes
	Chaining    bool `json:"chaining"`
}

// terminal is what terminal authentication opened.
type terminal struct {
	TrustPoint string `json:"trustPoint"`
	Holder     string `json:"holder"`
	DG3        bool   `json:"dg3"`
	DG4        bool   `json:"dg4"`
}

type publicKey struct {
	Algorithm string `json:"algorithm"`
	SHA256    string `json:"sha256"`
}

type biometric struct {
	Subtype byte   `json:"subtype,omitempty"`
	Owner   uint16 `json:"owner,omitempty"`
	Format  uint16 `json:"format,omitempty"`
	Bytes   int    `json:"bytes"`
}

type rawPicture struct {
	Format string `json:"format,omitempty"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

type person struct {
	lds.PersonDetails
	Citizenship *rawPicture `json:"citizenship,omitempty"`
}

type document struct {
	lds.DocumentDetails
	Front *rawPicture `json:"front,omitempty"`
	Rear  *rawPicture `json:"rear,omitempty"`
}

type unknownFields struct {
	Unknown []int `json:"unknownFields"` // numbers
}

func pictureOf(b []byte) *rawPicture {
	if len(b) == 0 {
		return nil
	}
	sum := sha256.Sum256(b)
	return &rawPicture{lds.PictureFormat(b), len(b), hex.EncodeToString(sum[:])}
}

// contentsOf words what a chip holds. What is personal comes with all only. It is nil where there is nothing.
func contentsOf(doc *icao.Document, all bool) *contents {
	if doc == nil {
		return nil
	}
	in := doc.Contents
	out := contents{COM: in.COM, CardSecurity: in.CardSecurity}
	if e := in.Extents; e != nil {
		out.ATRInfo = &extents{e.Command, e.Response, e.Chaining}
	}
	if t := doc.Terminal; t != nil {
		out.Terminal = &terminal{t.TrustPoint, t.Holder, t.DG3, t.DG4}
	}
	for _, i := range in.Security {
		out.DG14 = append(out.DG14, i.Protocol)
	}
	if k := in.ActiveKey; k != nil {
		out.DG15 = &publicKey{k.Algorithm, k.SHA256}
	}
	for id, err := range doc.Missing {
		if n := id.Number(); err != nil && (n == 0 || n > 2) {
			if out.Why == nil {
				out.Why = map[lds.FileID]string{}
			}
			out.Why[id] = string(checkin.Explain(err).ID)
		}
	}
	if all {
		for _, x := range []struct {
			from []lds.Biometric
			to   *[]biometric
		}{{in.Fingers, &out.DG3}, {in.Irises, &out.DG4}} {
			for _, b := range x.from {
				*x.to = append(*x.to, biometric{b.Subtype, b.Owner, b.Format, len(b.Data)})
			}
		}
		for _, x := range []struct {
			from []lds.Portrait
			to   *[]rawPicture
		}{{in.Displayed, &out.DG5}, {in.Marks, &out.DG7}} {
			for _, p := range x.from {
				if pic := pictureOf(p.Data); pic != nil {
					*x.to = append(*x.to, *pic)
				}
			}
		}
		if p := in.Person; p != nil {
			out.DG11 = &person{*p, pictureOf(p.Citizenship)}
		}
		if d := in.Issue; d != nil {
			out.DG12 = &document{*d, pictureOf(d.Front), pictureOf(d.Rear)}
		}
		if v := in.Vietnam; v != nil && len(v.Unknown) > 0 {
			out.DG13 = &unknownFields{slices.Sorted(maps.Keys(v.Unknown))}
		}
		out.DG16 = in.Contacts
	}
	return &out
}

// failed says whether the EF.CardSecurity is none of its state's.
func (c *contents) failed() bool {
	return c != nil && c.CardSecurity != nil && c.CardSecurity.Status == lds.Failed
}

// showContents prints for people what contentsOf words.
func (a *app) showContents(c *contents) {
	if c == nil {
		return
	}
	line := func(name, value string) {
		if value != "" {
			a.printf("%-22s %s\n", name, value)
		}
	}
	if v := c.CardSecurity; v != nil {
		text := a.status(v.Status)
		if why, ok := catalog.ReasonText(string(v.Reason), a.lang); ok {
			text += ": " + why
		}
		line("EF.CardSecurity", text)
	}
	name := func(n lds.Name) string { return strings.TrimSpace(n.Primary + " " + n.Secondary) }
	list := func(s []string) string { return strings.Join(s, ", ") }
	if p := c.DG11; p != nil {
		a.printf("\n")
		line(a.say("Họ tên đầy đủ", "Full name"), name(p.FullName))
		for _, n := range p.OtherNames {
			line(a.say("Tên khác", "Other name"), name(n))
		}
		line(a.say("Số cá nhân", "Personal number"), p.PersonalNumber)
		line(a.say("Ngày sinh (DG11)", "Born (DG11)"), p.DateOfBirth)
		line(a.say("Nơi sinh", "Place of birth"), list(p.PlaceOfBirth))
		line(a.say("Địa chỉ", "Address"), list(p.Address))
		line(a.say("Điện thoại", "Telephone"), p.Telephone)
		line(a.say("Nghề nghiệp", "Profession"), p.Profession)
		line(a.say("Chức danh", "Title"), p.Title)
		line(a.say("Tóm tắt", "Summary"), p.Summary)
		line(a.say("Giấy tờ khác", "Other documents"), list(p.OtherDocuments))
		line(a.say("Giám hộ", "Custody"), p.CustodyDetails)
	}
	if d := c.DG12; d != nil {
		a.printf("\n")
		line(a.say("Nơi cấp", "Authority"), d.Authority)
		line(a.say("Ngày cấp (DG12)", "Issued (DG12)"), d.DateOfIssue)
		for _, n := range d.OtherPersons {
			line(a.say("Người khác", "Other person"), name(n))
		}
		line(a.say("Ghi chú", "Endorsements"), d.Endorsements)
		line(a.say("Thuế, xuất cảnh", "Tax or exit"), d.TaxOrExit)
		line(a.say("Cá thể hóa lúc", "Personalized at"), d.PersonalizedAt)
		line(a.say("Cá thể hóa bởi", "Personalized by"), d.PersonalizedBy)
	}
	for _, p := range c.DG16 {
		line(a.say("Báo khi khẩn cấp", "In an emergency"), list(slices.DeleteFunc([]string{name(p.Name), p.Telephone, list(p.Address)}, func(s string) bool { return s == "" })))
	}
}
