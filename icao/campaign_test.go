package icao_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/reader"
)

// The fault campaign. A card may do anything at any APDU, and what may come of it stands in a table: testdata/faults. The whole of it
// runs with TAPCHECK_CAMPAIGN (make faults), a seeded tenth otherwise.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// statusWords are told at every APDU.
var statusWords = []uint16{0x9000, 0x6100, 0x6282, 0x6300, 0x63C1, 0x6400, 0x6581, 0x6700, 0x6882, 0x6982, 0x6983, 0x6985, 0x6988,
	0x6A80, 0x6A82, 0x6A86, 0x6B00, 0x6C10, 0x6D00, 0x6F00}

// fault is one thing that goes wrong, by the name that the oracle has for it.
type fault struct {
	class string
	chip  chip.Fault // what the chip does of itself
	reset string     // "told": the reader says so; "silent": the chip wakes up again and nobody says so
}

// faults are all that go wrong at one APDU.
func faults(r *rand.Rand) []fault {
	f := func(class string, kind chip.FaultKind, n int) fault {
		return fault{class: class, chip: chip.Fault{Kind: kind, N: n}}
	}
	list := []fault{
		f("remove", chip.FaultRemove, 0),
		f("mute", chip.FaultMute, 0),
		{class: "reset", reset: "told"},
		{class: "silent reset", reset: "silent"},
		f("cut", chip.FaultTruncate, 1),
		f("cut", chip.FaultTruncate, 2+r.IntN(14)),
		f("cut", chip.FaultTruncate, 16+r.IntN(200)),
		f("lengthen", chip.FaultLengthen, 1),
		f("lengthen", chip.FaultLengthen, 2+r.IntN(300)),
		f("naked", chip.FaultNaked, 0),
		f("replay", chip.FaultReplay, 1),
		f("replay", chip.FaultReplay, 2+r.IntN(6)),
	}
	for range 6 {
		list = append(list, f("flip", chip.FaultFlip, r.IntN(1<<12)))
	}
	// What begins and does not end: the read must.
	for _, kind := range []chip.FaultKind{chip.FaultFlip, chip.FaultTruncate, chip.FaultReplay, chip.FaultStatus} {
		x := fault{class: "always " + string(kind), chip: chip.Fault{Kind: kind, N: 1 + r.IntN(40), Always: true}}
		if kind == chip.FaultStatus {
			x.chip.SW = statusWords[r.IntN(len(statusWords))]
		}
		list = append(list, x)
	}
	for _, sw := range statusWords {
		list = append(list, fault{class: fmt.Sprintf("status %04X", sw), chip: chip.Fault{Kind: chip.FaultStatus, SW: sw}})
	}
	return list
}

// step is one APDU of a good read: in which phase, and whether under secure messaging.
type step struct {
	phase  string // discovery, access, select, identity, keys, exchange, portrait
	secure bool
}

func (s step) link() string {
	if s.secure {
		return "secure"
	}
	return "clear"
}

// subject is a card of the campaign with what a good read of it says.
type subject struct {
	name    string
	profile chip.Profile
	who     chip.Persona
	issuer  *chip.Issuer
	content *chip.Card
	options icao.Options
	clean   *icao.Document
	steps   []step
	sparse  bool // of the matrix of curves: only the first APDU of each step, and each class of faults once
}

// kind says what a card can honestly prove: a row of passes.tsv.
func (s *subject) kind() string {
	switch {
	case s.profile.NoApplication:
		return "no application"
	case s.profile.Forged:
		return "forged"
	case s.profile.Clone != "":
		return "clone"
	case s.profile.Revoked:
		return "revoked"
	}
	if strings.HasPrefix(s.name, "passport-pace-cam") {
		return "mapped"
	}
	return "genuine"
}

// smallPhoto keeps the photo to some blocks, which are alike: only one card has a real one.
var smallPhoto = bytes.Join([][]byte{{0xFF, 0xD8, 0xFF, 0xE0}, bytes.Repeat([]byte("not for looking at. "), 60), {0xFF, 0xD9}}, nil)

func newSubject(t testing.TB, name string, p chip.Profile, who chip.Persona, iss *chip.Issuer) *subject {
	t.Helper()
	s := &subject{name: name, profile: p, who: who, issuer: iss}
	var err error
	if s.content, err = chip.Issue(p, who, iss, chip.IssueOptions{}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := s.content.Chip(chip.Options{})
	s.who = c.Persona() // some profiles have dates of their own
	s.options = icao.Options{Key: keyFor(t, p, s.who), Portrait: true, Trust: trusting()}
	if p.Extended != nil {
		s.options.Access.Extended = p.Extended.MaxResponse
	}
	if p.Revoked {
		list, err := iss.RevocationList(day.AddDate(0, 0, -1), day.AddDate(0, 1, 0))
		if err != nil {
			t.Fatal(err)
		}
		s.options.Trust = store(t, false, map[string][]byte{"csca.cer": iss.CSCA(), "list.crl": list})
	}
	l := newFaultLink(c)
	at := icao.PhaseAccess
	opened, exchanging := false, false
	o := s.options
	o.OnProgress = func(p icao.Progress) { at = p.Phase }
	l.seen = func(cmd []byte) {
		st := step{secure: len(cmd) > 0 && cmd[0]&0x0C != 0}
		ins := cmd[1]
		switch at {
		case icao.PhaseAccess:
			opened = opened || ins == 0x22 || ins == 0x84
			switch {
			case st.secure:
				st.phase = "select"
			case opened:
				st.phase = "access"
			default:
				st.phase = "discovery"
			}
		case icao.PhaseIdentity:
			st.phase = "identity"
		case icao.PhaseChip:
			// The proof of chip authentication is a READ BINARY, too.
			if exchanging = exchanging || ins != 0xB0 && ins != 0xB1 && ins != 0xA4; exchanging {
				st.phase = "exchange"
			} else {
				st.phase = "keys"
			}
		default:
			st.phase = "portrait"
		}
		s.steps = append(s.steps, st)
	}
	o.Now = l.clock
	s.clean, err = icao.Read(t.Context(), l, o)
	if (err != nil) != p.NoApplication {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// keyFor is what a desk has for a card: the QR code's CAN where the card takes it, else the machine readable zone.
func keyFor(t testing.TB, p chip.Profile, who chip.Persona) lds.Key {
	t.Helper()
	can, mrz := slices.Contains(p.PACEPasswords, "can"), slices.Contains(p.PACEPasswords, "mrz")
	switch {
	case p.Document == "td3" && len(p.PACE) > 0 && !mrz && can:
		return lds.Key{CAN: who.CAN(), From: lds.FromCAN}
	case p.Document == "td3":
		return mrzKey(t, who, who.PassportMRZ())
	case len(p.PACE) > 0 && can, p.NoApplication:
		return qrKey(t, who)
	}
	return mrzKey(t, who, who.MRZ())
}

// curve changes a profile's elliptic curves to one.
func curve(p *chip.Profile, name string) {
	elliptic := func(s *string) {
		if slices.Contains(chip.Curves(), *s) {
			*s = name
		}
	}
	p.PACE = slices.Clone(p.PACE)
	for i := range p.PACE {
		elliptic(&p.PACE[i].Curve)
	}
	// Two offers that differ in nothing else any more would be the same one.
	p.PACE = slices.Compact(p.PACE)
	if p.CA != nil {
		ca := *p.CA
		elliptic(&ca.Curve)
		p.CA = &ca
	}
	p.MoreCA = slices.Clone(p.MoreCA)
	for i := range p.MoreCA {
		elliptic(&p.MoreCA[i].Curve)
	}
	if p.AA != nil {
		aa := *p.AA
		if aa.Type == "ecdsa" {
			elliptic(&aa.Curve)
		}
		p.AA = &aa
	}
}

// subjects are all profiles on a curve that is fast, one with a real photo, and one profile on every curve and group with
// every mapping.
func subjects(t testing.TB) []*subject {
	t.Helper()
	an, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	small := an
	small.Portrait = smallPhoto
	seed := rand.New(rand.NewPCG(2026, 3))
	var list []*subject
	for _, p := range chip.Profiles() {
		curve(&p, "P-256")
		list = append(list, newSubject(t, p.Name, p, small, quick()))
	}
	p, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	curve(&p, "P-256")
	list = append(list, newSubject(t, "cccd-mk, real photo", p, an, quick()))

	ciphers := []string{"AES-128", "AES-192", "AES-256", "3DES"}
	add := func(i int, domain, mapping string) {
		if mapping == "CAM" && ciphers[i%4] == "3DES" || mapping == "IM" && domain == "P-224" {
			return
		}
		if !campaign && seed.IntN(10) != 0 {
			return
		}
		q := p
		q.PACE = []chip.PACEOffer{{Cipher: ciphers[i%4], Curve: domain, Mapping: mapping}}
		q.CA = &chip.CAProfile{Cipher: ciphers[i%4], Curve: domain}
		if strings.HasPrefix(domain, "DH-2048") {
			q.Extended = &chip.Extents{MaxCommand: 1922, MaxResponse: 1920}
		}
		s := newSubject(t, fmt.Sprintf("%s %s %s", domain, mapping, ciphers[i%4]), q, small, quick())
		s.sparse = true
		list = append(list, s)
	}
	for i, c := range chip.Curves() {
		for k, m := range []string{"GM", "IM", "CAM"} {
			add(i+k, c, m)
		}
	}
	for i, g := range chip.Groups() {
		for k, m := range []string{"GM", "IM"} {
			add(i+k, g, m)
		}
	}
	return list
}

// faultLink is a reader in memory with a clock of its own.
type faultLink struct {
	chip    *chip.Chip
	now     time.Time
	n, at   int
	reset   string
	mute    bool                                   // what no answer means
	seen    func(cmd []byte)                       // before the chip gets it
	between func(n int, cmd, resp []byte) []byte   // somebody between chip and reader
	instead func(n int, cmd []byte) ([]byte, bool) // somebody in the chip's place
}

func newFaultLink(c *chip.Chip) *faultLink { return &faultLink{chip: c, now: day, at: -1} }

func (l *faultLink) clock() time.Time { return l.now }

func (l *faultLink) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := l.n
	l.n++
	l.now = l.now.Add(10 * time.Millisecond)
	if l.seen != nil {
		l.seen(cmd)
	}
	if n == l.at {
		l.chip.Reset()
		if l.reset == "told" {
			return nil, reader.ErrCardReset
		}
	}
	var resp []byte
	if l.instead != nil {
		if r, ok := l.instead(n, cmd); ok {
			return r, nil
		}
	}
	resp = l.chip.Transmit(cmd)
	if resp == nil && l.mute {
		return nil, reader.ErrCardMute
	}
	if resp == nil {
		return nil, reader.ErrCardRemoved
	}
	if l.between != nil {
		resp = l.between(n, cmd, resp)
	}
	return resp, nil
}

// tap reads the subject's card with a fault at APDU n; nil is a good tap.
func (s *subject) tap(ctx context.Context, c *chip.Chip, n int, f *fault) (*icao.Document, error) {
	c.SetFaults(nil)
	c.Reset()
	l := newFaultLink(c)
	if f != nil {
		l.mute = f.chip.Kind == chip.FaultMute
		if f.reset != "" {
			l.at, l.reset = n, f.reset
		} else {
			plan := f.chip
			plan.At = n
			if plan.Kind == chip.FaultReplay {
				plan.N = min(plan.N, n) // what was there to be recorded
			}
			c.SetFaults([]chip.Fault{plan})
		}
	}
	o := s.options
	o.Now = l.clock
	return icao.Read(ctx, l, o)
}

// outcome is what the oracle calls the end of a read: SAME, the id of the error, or what is less than in the good read, sorted:
// verdicts by name, files that are missing, warnings.
func (s *subject) outcome(doc *icao.Document, err error) (string, []string) {
	if err != nil {
		return string(checkin.Explain(err).ID), nil
	}
	less := differences(s.clean, doc)
	if len(less) == 0 {
		return "SAME", nil
	}
	return "LESS", less
}

func differences(clean, doc *icao.Document) []string {
	var less []string
	a, b := clean.Verdicts, doc.Verdicts
	for name, differs := range map[string]bool{
		"access":   a.Access != b.Access,
		"passive":  a.PassiveAuthentication.Status != b.PassiveAuthentication.Status || a.PassiveAuthentication.Reason != b.PassiveAuthentication.Reason,
		"chip":     a.ChipAuthentication != b.ChipAuthentication,
		"active":   a.ActiveAuthentication != b.ActiveAuthentication,
		"validity": a.DocumentValidity.Status != b.DocumentValidity.Status || a.DocumentValidity.Basis != b.DocumentValidity.Basis,
		"key":      a.KeyMatchesChip.Status != b.KeyMatchesChip.Status || a.KeyMatchesChip.Basis != b.KeyMatchesChip.Basis,
	} {
		if differs {
			less = append(less, name)
		}
	}
	for id := range doc.Missing {
		if clean.Missing[id] == nil {
			less = append(less, string(id))
		}
	}
	for _, w := range doc.Warnings {
		if !slices.Contains(clean.Warnings, w) {
			less = append(less, string(w))
		}
	}
	slices.Sort(less)
	return less
}

// passed are the names of the verdicts that say passed, with the basis where they have one.
func passed(v lds.Verdicts) []string {
	var list []string
	for _, x := range []struct {
		name string
		s    lds.Status
	}{
		{"access", v.Access.Status}, {"passive", v.PassiveAuthentication.Status}, {"chip", v.ChipAuthentication.Status}, {"active", v.ActiveAuthentication.Status},
		{"validity:" + string(v.DocumentValidity.Basis), v.DocumentValidity.Status}, {"key:" + string(v.KeyMatchesChip.Basis), v.KeyMatchesChip.Status},
	} {
		if x.s == lds.Passed {
			list = append(list, x.name)
		}
	}
	return list
}

// lied holds a document against what no fault may bring about; empty is good.
func (s *subject) lied(doc *icao.Document, err error, passes map[string][]string) string {
	if doc == nil {
		return "no document"
	}
	clean := passed(s.clean.Verdicts)
	for _, name := range passed(doc.Verdicts) {
		if !slices.Contains(passes[s.kind()], name) {
			return name + " passes, which a card that is " + s.kind() + " must not"
		}
		// A comparison that lost its anchor may still say passed, as unanchored.
		if bare, ok := strings.CutSuffix(name, ":unanchored"); !slices.Contains(clean, name) && (!ok || !slices.Contains(clean, bare+":anchored")) {
			return name + " passes, and does not without the fault"
		}
	}
	if doc.Identity != nil {
		a, b := s.clean.Identity, doc.Identity
		if a == nil || a.Number != b.Number || a.DateOfBirth != b.DateOfBirth || a.DocumentNumber != b.DocumentNumber {
			return "another person"
		}
		if doc.Missing[lds.DG(13)] == nil && s.clean.Missing[lds.DG(13)] == nil && !gocmp.Equal(a, b) {
			return "another identity"
		}
	}
	if doc.Portrait != nil {
		if p, err := lds.ParseDG2(s.content.Files["DG2"]); err != nil || !bytes.Equal(doc.Portrait.Data, p.Data) {
			return "another portrait"
		}
	}
	if err == nil && doc.Identity == nil {
		return "neither an error nor an identity"
	}
	if err != nil {
		if told := tells(s.who, err); told {
			return "the error holds personal data"
		}
	}
	if doc.Count.APDUs > 3000 {
		return fmt.Sprintf("%d APDUs", doc.Count.APDUs)
	}
	return ""
}

func tells(who chip.Persona, err error) bool {
	for _, s := range []string{who.Number, who.CAN(), who.DocumentNumber(), who.FullName, who.Surname, who.GivenNames, who.DateOfBirth, who.Passport,
		strings.ReplaceAll(who.DateOfBirth, "-", "")[2:]} {
		if s != "" && strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// rule is a row of oracle.tsv.
type rule struct {
	phase, link, card, class string
	allowed                  []string // SAME and error ids
	less                     []string // what may be less, nil if nothing may
	line                     int
	used                     map[string]bool
}

// table reads a file of tab-separated columns; lines that begin with # are for people.
func table(t testing.TB, name string, columns int) (rows [][]string, lines []int) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "faults", name))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(raw), "\n") {
		if line = strings.TrimRight(line, "\r"); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != columns {
			t.Fatalf("%s:%d: %d columns, want %d", name, i+1, len(row), columns)
		}
		for j := range row {
			row[j] = strings.TrimSpace(row[j])
		}
		rows, lines = append(rows, row), append(lines, i+1)
	}
	return rows, lines
}

func oracle(t testing.TB) []*rule {
	t.Helper()
	rows, lines := table(t, "oracle.tsv", 5)
	var list []*rule
	for i, row := range rows {
		r := &rule{phase: row[0], link: row[1], card: row[2], class: row[3], line: lines[i], used: map[string]bool{}}
		for _, o := range strings.Fields(row[4]) {
			if rest, ok := strings.CutPrefix(o, "LESS("); ok {
				r.less = append(r.less, strings.Split(strings.TrimSuffix(rest, ")"), ",")...)
			} else {
				r.allowed = append(r.allowed, o)
			}
		}
		list = append(list, r)
	}
	return list
}

// matches: "*" is all, "status *" all status words, and several are parted by "|".
func matches(pattern, s string) bool {
	for _, p := range strings.Split(pattern, "|") {
		if p == "*" || p == s {
			return true
		}
		if head, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(s, head) {
			return true
		}
	}
	return false
}

func judge(rules []*rule, st step, card, class string) *rule {
	for _, r := range rules {
		if matches(r.phase, st.phase) && matches(r.link, st.link()) && matches(r.card, card) && matches(r.class, class) {
			return r
		}
	}
	return nil
}

func (r *rule) allows(outcome string, less []string) bool {
	if outcome != "LESS" {
		return slices.Contains(r.allowed, outcome)
	}
	for _, l := range less {
		if !slices.ContainsFunc(r.less, func(p string) bool { return matches(p, l) }) {
			return false
		}
	}
	return true
}

// tally counts outcomes per class of faults.
type tally struct {
	mu    sync.Mutex
	count map[string]map[string]int
	bad   int
}

func (c *tally) add(class, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]map[string]int{}
	}
	if c.count[class] == nil {
		c.count[class] = map[string]int{}
	}
	c.count[class][outcome]++
}

func (c *tally) total() (n int) {
	for _, m := range c.count {
		for _, k := range m {
			n += k
		}
	}
	return n
}

func (c *tally) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	outcomes := map[string]int{}
	for _, class := range slices.Sorted(maps.Keys(c.count)) {
		n := 0
		var parts []string
		for o, k := range c.count[class] {
			n += k
			outcomes[o] += k
			parts = append(parts, fmt.Sprintf("%s %d", o, k))
		}
		slices.Sort(parts)
		fmt.Fprintf(w, "%s\t%d\t%s\n", class, n, strings.Join(parts, ", "))
	}
	_ = w.Flush()
	b.WriteString("\n")
	for _, o := range slices.SortedFunc(maps.Keys(outcomes), func(x, y string) int { return cmp.Compare(outcomes[y], outcomes[x]) }) {
		fmt.Fprintf(w, "%s\t%d\n", o, outcomes[o])
	}
	_ = w.Flush()
	return b.String()
}

// TestFaults: whatever goes wrong at whatever APDU, it ends as the oracle allows, never with a pass that the card does not
// deserve, and the next good tap works.
func TestFaults(t *testing.T) {
	rules := oracle(t)
	passes := map[string][]string{}
	rows, _ := table(t, "passes.tsv", 2)
	for _, row := range rows {
		passes[row[0]] = strings.Fields(row[1])
	}
	all := subjects(t)
	type unit struct {
		s *subject
		n int
	}
	var units []unit
	seed := rand.New(rand.NewPCG(2026, 11))
	for _, s := range all {
		had := map[step]bool{}
		for n, st := range s.steps {
			if s.sparse && had[st] {
				continue
			}
			had[st] = true
			if campaign || seed.IntN(20) == 0 { // some 2,000 cases, a tenth of what the campaign must have at least
				units = append(units, unit{s, n})
			}
		}
	}
	begin := time.Now()
	before := heap()
	var counts tally
	var learned sync.Map
	fail := func(format string, args ...any) {
		counts.mu.Lock()
		defer counts.mu.Unlock()
		if counts.bad++; counts.bad <= 40 {
			t.Errorf(format, args...)
		}
	}
	work := make(chan unit)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for u := range work {
				s, st := u.s, u.s.steps[u.n]
				c := s.content.Chip(chip.Options{})
				r := rand.New(rand.NewPCG(uint64(len(s.name)), uint64(u.n)))
				list := faults(r)
				if s.sparse {
					k := len(list) - len(statusWords)
					list = append(list[:k:k], list[k+r.IntN(len(statusWords))])
				}
				for _, f := range list {
					doc, err := s.tap(t.Context(), c, u.n, &f)
					outcome, less := s.outcome(doc, err)
					class := f.class
					if strings.HasPrefix(class, "status") {
						class = "status word"
					}
					counts.add(class, outcome)
					where := fmt.Sprintf("%s, APDU %d (%s, %s), %s (bit or bytes %d)", s.name, u.n, st.phase, st.link(), f.class, f.chip.N)
					if lie := s.lied(doc, err, passes); lie != "" {
						fail("%s: %s", where, lie)
					}
					learned.Store(strings.Join([]string{st.phase, st.link(), s.kind(), f.class, outcome, strings.Join(less, ",")}, "\t"), s.name)
					rule := judge(rules, st, s.kind(), f.class)
					if rule == nil {
						fail("%s: the oracle has no row for it (%s %v)", where, outcome, less)
						continue
					}
					if !rule.allows(outcome, less) {
						fail("%s: ends as %s %v, not allowed by oracle.tsv:%d: %v", where, outcome, less, rule.line, err)
					}
					counts.mu.Lock()
					rule.used[outcome] = true
					counts.mu.Unlock()
				}
				if doc, err := s.tap(t.Context(), c, 0, nil); (err != nil) != s.profile.NoApplication || len(differences(s.clean, doc)) > 0 {
					fail("%s: the good tap after all faults at APDU %d: %v %v", s.name, u.n, err, differences(s.clean, doc))
				}
			}
		})
	}
	for _, u := range units {
		work <- u
	}
	close(work)
	wg.Wait()
	if counts.bad > 40 {
		t.Errorf("and %d more", counts.bad-40)
	}
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("%d MiB were left behind", grown>>20)
	}
	t.Logf("%d cards, %d cases in %v\n%s", len(all), counts.total(), time.Since(begin).Round(time.Second), &counts)
	if name := os.Getenv("TAPCHECK_FAULTS_LEARN"); name != "" {
		var out []string
		learned.Range(func(k, v any) bool { out = append(out, k.(string)+"\t"+v.(string)); return true })
		slices.Sort(out)
		if err := os.WriteFile(name, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if campaign {
		if counts.total() < 20000 {
			t.Errorf("%d cases only", counts.total())
		}
		for _, r := range rules {
			for _, o := range r.allowed {
				if !r.used[o] {
					t.Logf("oracle.tsv:%d: nothing ended as %s", r.line, o)
				}
			}
			if len(r.used) == 0 {
				t.Errorf("oracle.tsv:%d: no case for this row", r.line)
			}
		}
	}
}

// heap is what lives after two collections, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
