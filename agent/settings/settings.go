// Package settings is the agent's one settings file: what may be set, what it means, what is allowed, and where a mistake
// stands.
//
// The file is TOML. Everything has a default, so an empty file is a good one. An unknown setting or a value that is not
// allowed is a Problem with its line and what is allowed; the agent does not start on a file with problems, because a
// mistyped restriction must not silently be none; a service goes on with the last good one (LoadOrLast). Secrets are never in
// the file: a setting that needs one names a file, or a credential that the operating system keeps (keys.ReadSecret).
//
// The environment outweighs the file, and a policy outweighs both (Sources). A mistake there is a Problem too, with its place.
package settings

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// MaxFile is the largest settings file in bytes.
const MaxFile = 256 << 10

// Settings are all settings of `tapcheck run`.
type Settings struct {
	Language  string    `toml:"language" allowed:"vi or en" doc:"Language of texts where a client asks for none."`
	Desk      string    `toml:"desk" allowed:"up to 64 characters, on one line" doc:"Name of this desk in check-ins for which the HIS names none."`
	Log       Log       `toml:"log"`
	HIS       HIS       `toml:"his"`
	Checkin   Checkin   `toml:"checkin"`
	Insurance Insurance `toml:"insurance"`
	Facility  Facility  `toml:"facility"`
	Queue     Queue     `toml:"queue"`
	Trust     Trust     `toml:"trust"`
	Face      Face      `toml:"face"`
	Compat    Compat    `toml:"compat"`
	Scanner   Scanner   `toml:"scanner"`
	Console   Console   `toml:"console"`
	Update    Update    `toml:"update"`
	Backup    Backup    `toml:"backup"`
	Keys      Keys      `toml:"keys"`
}

// Log settings.
type Log struct {
	Level string `toml:"level" live:"true" allowed:"debug, info, warn or error" doc:"What is logged. No level logs personal data."`
}

// HIS settings bound the websocket.
type HIS struct {
	Ports             []int    `toml:"ports" allowed:"1 to 8 different numbers from 1024 to 65535" doc:"Loopback ports; the first free one is used."`
	Origins           []string `toml:"origins" allowed:"a list of origins such as https://his.hospital.example, without path or pattern" doc:"Web origins that may connect besides those that have a token. They still need a token to open a session."`
	MaxConnections    int      `toml:"max_connections" allowed:"1 to 1000" doc:"Connections at the same time."`
	MaxFrameBytes     int      `toml:"max_frame_bytes" allowed:"65536 to 33554432" doc:"Size of a frame from a client."`
	RequestsPerSecond int      `toml:"requests_per_second" allowed:"1 to 1000" doc:"Requests per second of one session."`
	WSS               bool     `toml:"wss" allowed:"true or false" doc:"Serve wss:// beside ws://, with a certificate of this installation's own CA (tapcheck wss). Only for a HIS whose browser refuses ws:// to 127.0.0.1."`
	WSSPorts          []int    `toml:"wss_ports" allowed:"1 to 8 different numbers from 1024 to 65535, none of them in ports" doc:"Loopback ports of wss://; the first free one is used."`
	AccessLog         bool     `toml:"access_log" allowed:"true or false" doc:"Keep in the data folder which origin or program used what and how it ended. Nothing personal is in it; it takes at most 3 MiB."`
}

// Checkin settings.
type Checkin struct {
	WaitForCardMs int  `toml:"wait_for_card_ms" allowed:"1000 to 3600000" doc:"How long a job waits for a card."`
	WaitForNeedMs int  `toml:"wait_for_need_ms" allowed:"1000 to 3600000" doc:"How long a job waits for an answer to job.needs."`
	ExtendedAPDU  bool `toml:"extended_apdu" allowed:"true or false" doc:"Try extended-length commands. Some readers drop them silently."`
}

// Insurance settings.
type Insurance struct {
	Provider     string `toml:"provider" allowed:"bhyt, relay, fhir or off" doc:"Who is asked for eligibility."`
	URL          string `toml:"url" change:"file" allowed:"https://host or https://host:port, or http on 127.0.0.1, without a path" doc:"Base address of the gateway."`
	Username     string `toml:"username" allowed:"up to 64 characters, needed with provider bhyt" doc:"The facility's transaction account, such as 01004_BV."`
	PasswordFile string `toml:"password_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME, needed with provider bhyt" doc:"File that holds the account's password."`
	StaffName    string `toml:"staff_name" allowed:"up to 128 characters, needed with provider bhyt" doc:"Registered staff member in whose name is looked up."`
	StaffFile    string `toml:"staff_number_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME, needed with provider bhyt" doc:"File that holds that staff member's citizen number."`
	StaffList    string `toml:"staff_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME; empty: the one above looks up for everybody" doc:"File of registered staff, by the operators and desks for whom they look up. Whoever is not in it looks up in the name above."`
	Training     bool   `toml:"training" change:"file" allowed:"true or false; with true, url is left at its default" doc:"Ask the insurer's training system. Its answers are true of nobody, and say so."`
	Proxy        string `toml:"proxy" change:"file" allowed:"http://host:port, https://host:port, none, or empty: what the environment says (HTTPS_PROXY, NO_PROXY)" doc:"How the gateway is reached. What is on this PC is never asked through a proxy."`
	RelayURL     string `toml:"relay_url" change:"file" allowed:"https://host or https://host:port, without a path, needed with provider relay" doc:"The hospital's machine that asks the gateway for all desks."`
	RelayCert    string `toml:"relay_cert" change:"file" allowed:"path of a file, needed with provider relay" doc:"This desk's certificate for it, PEM."`
	RelayKey     string `toml:"relay_key" change:"file" allowed:"path of a file that only the service may read, or credential:NAME, needed with provider relay" doc:"The key of that certificate, PEM."`
	RelayCA      string `toml:"relay_ca" change:"file" allowed:"path of a file, needed with provider relay" doc:"The CA that issued the relay's certificate, PEM. No other is trusted."`
	WaitMs       int    `toml:"wait_ms" allowed:"100 to 60000" doc:"How long a check-in waits for the answer before it is pending."`
	FHIR         FHIR   `toml:"fhir"`
}

// FHIR settings are of an insurer that speaks HL7 FHIR R4.
type FHIR struct {
	URL          string `toml:"url" change:"file" allowed:"https://host/path, or http on 127.0.0.1, needed with provider fhir" doc:"Base address of the insurer's FHIR R4 server. It must serve CoverageEligibilityRequest/$submit."`
	Insurer      string `toml:"insurer" change:"file" allowed:"system|value, or a value alone, up to 256 characters, needed with provider fhir" doc:"The insurer's identifier, as it wants to be called."`
	Facility     string `toml:"facility" change:"file" allowed:"system|value, or a value alone, up to 256 characters" doc:"This facility's identifier, as the insurer knows it."`
	NumberSystem string `toml:"number_system" change:"file" allowed:"a URI, up to 256 characters; empty is none" doc:"Namespace of personal numbers, as agreed with the insurer."`
	CardSystem   string `toml:"card_system" change:"file" allowed:"a URI, up to 256 characters; empty is none" doc:"Namespace of insurance card codes, as agreed with the insurer."`
	TokenFile    string `toml:"token_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME; not with token_url" doc:"File that holds a bearer token. It is read for each look-up, so that another program can replace it."`
	TokenURL     string `toml:"token_url" change:"file" allowed:"https://host/path, or http on 127.0.0.1" doc:"Where a token is to be had by OAuth 2.0 client credentials."`
	ClientID     string `toml:"client_id" change:"file" allowed:"up to 256 characters, needed with token_url" doc:"Client of that token."`
	SecretFile   string `toml:"client_secret_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME, needed with token_url" doc:"File that holds that client's secret."`
	Scope        string `toml:"scope" change:"file" allowed:"up to 256 characters" doc:"Scope of that token; empty is the server's own."`
	CertFile     string `toml:"certificate_file" change:"file" allowed:"path of a file, with key_file" doc:"This desk's certificate for mutual TLS, PEM."`
	KeyFile      string `toml:"key_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME, with certificate_file" doc:"The key of that certificate, PEM."`
	CAFile       string `toml:"ca_file" change:"file" allowed:"path of a file; empty: what this PC trusts" doc:"The CA that issued the server's certificate, PEM. No other is trusted then."`
}

// Facility settings say whose desk this is: what a patient is entitled to depends on it. What is not set is not guessed: a route or
// rate that depends on it is then not proposed.
type Facility struct {
	Code        string `toml:"code" allowed:"five digits or capital letters, or empty" doc:"The facility's own code (MA_CSKCB), as insurance cards name it."`
	Level       string `toml:"level" allowed:"ban_dau, co_ban, chuyen_sau, or empty" doc:"Its level of care (Luật 51/2024/QH15)."`
	PrimaryKind string `toml:"primary_kind" allowed:"1.2, 1.11, or empty" doc:"Of a first-level facility: which code of QĐ 3276/QĐ-BYT is its own. 1.2 are commune health stations, family medicine and what else that code lists."`
	Points      int    `toml:"points" allowed:"0 to 100; 0 is not known" doc:"Points of its classification."`
	Provisional bool   `toml:"provisional" allowed:"true or false" doc:"It is classed as basic level for the time being, without points (tạm xếp cấp cơ bản)."`
	FormerTier  string `toml:"former_tier" allowed:"trung_uong, tinh, huyen, xa, khong, or empty" doc:"Its tier before 2025-01-01; khong: it had none."`
	CodesFile   string `toml:"codes_file" change:"file" allowed:"path of a file" doc:"The hospital's own table of province, commune, ethnicity and nationality codes for claims, CSV in UTF-8. Without it those are left out."`
}

// Queue settings are about look-ups that nobody waits for at the desk.
type Queue struct {
	RatePerMinute int `toml:"rate_per_minute" allowed:"1 to 600" doc:"How many waiting look-ups are asked in a minute at most. Look-ups of the desk come first and are not counted."`
	GiveUpDays    int `toml:"give_up_days" allowed:"1 to 60" doc:"How long after the end of a stay (visit.close; without it, the check-in) a look-up is asked again before it is given up."`
	KeepDays      int `toml:"keep_days" allowed:"1 to 3650" doc:"How long the insurer's answers are kept as they came, encrypted, before they are deleted for good."`
}

// GiveUp is how long after the end of a stay its look-ups are asked again.
func (q Queue) GiveUp() time.Duration { return time.Duration(q.GiveUpDays) * 24 * time.Hour }

// Keep is how long answers are kept as they came.
func (q Queue) Keep() time.Duration { return time.Duration(q.KeepDays) * 24 * time.Hour }

// Trust settings.
type Trust struct {
	Folder     string `toml:"folder" change:"file" allowed:"path of a folder" doc:"The hospital's own CSCA certificates, master and revocation lists; pinned signers in its subfolder pinned."`
	Embedded   bool   `toml:"embedded_lists" change:"file" allowed:"true or false" doc:"Trust the public ICAO master lists that come with the program. They hold no CSCA of the citizen card."`
	RejectWeak bool   `toml:"reject_weak" change:"file" allowed:"true or false" doc:"Fail cards signed with SHA-1 or with short RSA keys, in place of a warning."`
}

// Face settings are about comparing the living face with the chip's photo, where a HIS asks for it (checkin.start, face).
type Face struct {
	Enabled     bool   `toml:"enabled" allowed:"true or false" doc:"Compare faces where a program asks for it. Without it every such check-in goes on, and says that the comparison is switched off."`
	Level       string `toml:"level" allowed:"low, standard or high" doc:"How sure a match has to be. The manual has the error rates of each."`
	AttackCheck string `toml:"attack_check" allowed:"none, passive_hints or active_challenge" doc:"How it is looked at whether a living person stands before the camera; active_challenge asks the person to turn, nod or blink."`
	Consent     bool   `toml:"consent" allowed:"true or false" doc:"Ask the person before. Switch it off only where the hospital has its own record of the consent."`
	ModelFile   string `toml:"model_file" change:"file" allowed:"path of a file" doc:"Description of another recogniser in place of the program's own."`
}

// Compat settings are for a HIS that speaks to another box or waits for a webhook. Everything is off by default.
type Compat struct {
	SocketIO         bool     `toml:"socketio" allowed:"true or false" doc:"Serve the /event dialect of the HN212/JTH box over Socket.IO, on loopback."`
	SocketIOPort     int      `toml:"socketio_port" allowed:"1024 to 65535, none of his.ports and his.wss_ports" doc:"Loopback port of that dialect."`
	SocketIOOrigins  []string `toml:"socketio_origins" allowed:"a list of origins such as https://his.hospital.example, without path or pattern" doc:"Web pages that may listen to it. It has no tokens: whoever is named here gets every card that no other program waits for."`
	SocketIOPrograms bool     `toml:"socketio_programs" allowed:"true or false" doc:"Let programs that are no web page listen too. They bring no token either: any program of the person who sits at the PC can then read along."`
	WebhookURL       string   `toml:"webhook_url" change:"file" allowed:"https://host/path, or http on 127.0.0.1, [::1] or localhost; empty is off" doc:"Where each card that no program waits for is sent to, as JSON."`
	WebhookSecret    string   `toml:"webhook_secret_file" change:"file" allowed:"path of a file that only the service may read, or credential:NAME" doc:"File that holds the secret with which the webhook is signed (HMAC-SHA256)."`
	MappingFile      string   `toml:"mapping_file" change:"file" allowed:"path of a file" doc:"The hospital's own names and formats of fields: see tapcheck config mapping."`
	Fields           []string `toml:"fields" allowed:"a list of the fields that tapcheck token add --fields knows; empty is what admission needs" doc:"Ceiling of what leaves by these ways."`
}

// Scanner settings are for scanners that the agent itself reads; one that types as a keyboard needs none.
type Scanner struct {
	Serial string `toml:"serial" allowed:"auto, or the path or name of a serial port such as /dev/ttyACM0 or COM3; empty is off" doc:"Scanner on a serial port; auto takes a USB one that is there."`
	Baud   int    `toml:"baud" allowed:"1200 to 921600" doc:"Speed of that port. Most USB scanners do not care."`
	HID    bool   `toml:"hid" allowed:"true or false" doc:"Read scanners in the HID point-of-sale mode."`
}

// Console settings of the desk's own page. They are in force as soon as an administrator saves them there.
type Console struct {
	Login            string   `toml:"login" live:"true" allowed:"pin, os or both" doc:"How operators log in: with a PIN, as the user who is logged in to the PC, or either."`
	IdleMs           int      `toml:"idle_ms" live:"true" allowed:"30000 to 3600000" doc:"How long nobody may touch the console before it locks."`
	ClipboardClearMs int      `toml:"clipboard_clear_ms" live:"true" allowed:"0, or 5000 to 600000" doc:"When a copied field is cleared from the clipboard; 0 is never."`
	CopyOrder        []string `toml:"copy_order" live:"true" allowed:"up to 40 names of different fields, such as number or fullName" doc:"Fields that are copied in one keystroke, in this order."`
}

// IdleTime is how long nobody may touch the console before it locks.
func (c Console) IdleTime() time.Duration { return time.Duration(c.IdleMs) * time.Millisecond }

// Update settings say where new versions come from. Whose signature counts is no setting: see tapcheck update.
type Update struct {
	Source   string `toml:"source" change:"file" allowed:"path of a folder or share, or https://host/path; empty is off" doc:"Where the hospital puts releases. Nothing is asked anywhere while it is empty."`
	Ring     int    `toml:"ring" change:"file" allowed:"0 to 9" doc:"Which group of the staged roll-out this PC is in. A release says from when on each group takes it; 0 comes first."`
	FromHour int    `toml:"from_hour" change:"file" allowed:"0 to 23" doc:"Hour from which on a new version may be installed."`
	ToHour   int    `toml:"to_hour" change:"file" allowed:"0 to 23; the same as from_hour is at any time" doc:"Hour at which that ends."`
}

// Backup settings say where the desk's data are kept a second time.
type Backup struct {
	Folder    string `toml:"folder" change:"file" allowed:"path of a folder or share; empty is off" doc:"Where an encrypted backup is put every day."`
	Recipient string `toml:"recipient" change:"file" allowed:"age1… as tapcheck backup key prints it, needed with folder" doc:"The hospital's recovery key, its public half. Only who has the other half can restore."`
	Hour      int    `toml:"hour" change:"file" allowed:"0 to 23" doc:"Hour of the day's backup. A PC that is off then makes it when it is on again."`
	Keep      int    `toml:"keep" change:"file" allowed:"1 to 365" doc:"How many backups of this desk are kept in the folder."`
}

// Keys settings say where the workstation's keys are kept.
type Keys struct {
	TPM bool `toml:"tpm" change:"file" allowed:"true or false" doc:"Have the PC's TPM 2.0 seal the workstation's keys, where there is one that can be used. When it is cleared or replaced, only a backup brings back the journal."`
}

// Default are the settings of an empty file.
func Default() Settings {
	return Settings{
		Language: "vi",
		Log:      Log{Level: "info"},
		HIS: HIS{Ports: []int{27480, 27481, 27482, 27483}, MaxConnections: 20, MaxFrameBytes: 8 << 20,
			RequestsPerSecond: 50, WSSPorts: []int{27484, 27485, 27486, 27487}, AccessLog: true},
		Checkin:   Checkin{WaitForCardMs: 120_000, WaitForNeedMs: 60_000},
		Insurance: Insurance{Provider: "off", URL: "https://egw.baohiemxahoi.gov.vn", WaitMs: 5_000},
		Queue:     Queue{RatePerMinute: 20, GiveUpDays: 7, KeepDays: 90},
		Trust:     Trust{Embedded: true},
		Face:      Face{Enabled: true, Level: "standard", AttackCheck: "active_challenge", Consent: true},
		Compat:    Compat{SocketIOPort: 8000},
		Scanner:   Scanner{Baud: 9600},
		Update:    Update{Ring: 9, FromHour: 1, ToHour: 5},
		Backup:    Backup{Hour: 2, Keep: 14},
		Keys:      Keys{TPM: true},
		Console: Console{Login: "pin", IdleMs: 300_000, ClipboardClearMs: 60_000,
			CopyOrder: []string{"number", "fullName", "dateOfBirth", "sex", "residence", "issuedAt", "expiresAt", "eligibility.card.code"}},
	}
}

// Wait is the insurance wait as a duration.
func (i Insurance) Wait() time.Duration { return time.Duration(i.WaitMs) * time.Millisecond }

// Problem is one mistake in a file.
type Problem struct {
	Line    int    // from 1; 0 where no line is to blame
	Setting string // dotted name, such as "his.ports"
	What    string // "unknown setting", "wrong type", "not allowed", "not TOML", "cannot be used"
	Allowed string // what may stand there
	From    Kind   // of a setting: which of the sources has the mistake
	Place   string // of another source than the file: the variable, the policy's file or its value in the registry
}

// VI is the problem in Vietnamese.
func (p Problem) VI() string {
	what := map[string]string{
		unknown: "không có mục cấu hình này", wrongType: "sai kiểu giá trị", notAllowed: "giá trị không được phép", notTOML: "không đúng cú pháp TOML", unreadable: "không dùng được",
	}[p.What]
	return p.words("dòng", what, "được phép")
}

// EN is the problem in English.
func (p Problem) EN() string { return p.words("line", p.What, "allowed") }

func (p Problem) words(line, what, allowed string) string {
	var b strings.Builder
	if p.Place != "" {
		fmt.Fprintf(&b, "%s: ", p.Place)
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%s %d: ", line, p.Line)
	}
	if p.Setting != "" {
		fmt.Fprintf(&b, "%s: ", p.Setting)
	}
	b.WriteString(what)
	if p.Allowed != "" {
		fmt.Fprintf(&b, " (%s: %s)", allowed, p.Allowed)
	}
	return b.String()
}

const (
	unknown    = "unknown setting"
	wrongType  = "wrong type"
	notAllowed = "not allowed"
	notTOML    = "not TOML"
	unreadable = "cannot be used"
)

// Problems are all mistakes of one file, by line. The values that stand there are not repeated.
type Problems []Problem

func (p Problems) Error() string {
	s := make([]string, len(p))
	for i, one := range p {
		s[i] = one.EN()
	}
	return strings.Join(s, "\n")
}

// Load reads a file over the defaults. The error is Problems for a file with mistakes, or the operating system's: where
// there is no file it is fs.ErrNotExist, and whether that is an empty file is the caller's to say.
func Load(path string) (Settings, error) {
	l, err := Sources{File: path, Required: true}.Load()
	return l.Settings, err
}

// Parse reads a file's content over the defaults.
func Parse(raw []byte) (Settings, error) {
	l, err := compose([]Layer{{Kind: FromFile, TOML: string(raw)}})
	return l.Settings, err
}

func (p Problems) byLine() Problems {
	sort.SliceStable(p, func(i, j int) bool {
		if p[i].Place != p[j].Place {
			return p[i].Place < p[j].Place // the file's first
		}
		return p[i].Line < p[j].Line
	})
	return p
}

// check names the settings whose values are not allowed.
func (s Settings) check() (bad []string) {
	fail := func(ok bool, name string) {
		if !ok {
			bad = append(bad, name)
		}
	}
	in := func(v, lo, hi int) bool { return v >= lo && v <= hi }
	fail(s.Language == "vi" || s.Language == "en", "language")
	fail(utf8.RuneCountInString(s.Desk) <= 64 && !strings.ContainsFunc(s.Desk, unicode.IsControl), "desk")
	fail(s.Log.Level == "debug" || s.Log.Level == "info" || s.Log.Level == "warn" || s.Log.Level == "error", "log.level")
	fail(portsOK(s.HIS.Ports), "his.ports")
	shared := s.HIS.WSS && slices.ContainsFunc(s.HIS.WSSPorts, func(p int) bool { return slices.Contains(s.HIS.Ports, p) })
	fail(portsOK(s.HIS.WSSPorts) && !shared, "his.wss_ports")
	// The rule is the tokens' own, and so is the form that comes out.
	fail(originsOK(s.HIS.Origins), "his.origins")
	fail(in(s.HIS.MaxConnections, 1, 1000), "his.max_connections")
	fail(in(s.HIS.MaxFrameBytes, 64<<10, 32<<20), "his.max_frame_bytes")
	fail(in(s.HIS.RequestsPerSecond, 1, 1000), "his.requests_per_second")
	fail(in(s.Checkin.WaitForCardMs, 1000, 3_600_000), "checkin.wait_for_card_ms")
	fail(in(s.Checkin.WaitForNeedMs, 1000, 3_600_000), "checkin.wait_for_need_ms")
	fail(slices.Contains([]string{"bhyt", "relay", "fhir", "off"}, s.Insurance.Provider), "insurance.provider")
	fail(gatewayOK(s.Insurance.URL), "insurance.url")
	fail(len(s.Insurance.Username) <= 64, "insurance.username")
	fail(len(s.Insurance.StaffName) <= 128, "insurance.staff_name")
	fail(in(s.Insurance.WaitMs, 100, 60_000), "insurance.wait_ms")
	fail(!s.Insurance.Training || s.Insurance.URL == Default().Insurance.URL, "insurance.training")
	fail(proxyOK(s.Insurance.Proxy), "insurance.proxy")
	relay, err := url.Parse(s.Insurance.RelayURL)
	fail(s.Insurance.RelayURL == "" || gatewayOK(s.Insurance.RelayURL) && err == nil && relay.Scheme == "https", "insurance.relay_url")
	if s.Insurance.Provider == "relay" {
		fail(s.Insurance.RelayURL != "", "insurance.relay_url")
		fail(s.Insurance.RelayCert != "", "insurance.relay_cert")
		fail(s.Insurance.RelayKey != "", "insurance.relay_key")
		fail(s.Insurance.RelayCA != "", "insurance.relay_ca")
	}
	s.Insurance.FHIR.check(s.Insurance.Provider == "fhir", func(ok bool, name string) { fail(ok, "insurance.fhir."+name) })
	if s.Insurance.Provider == "bhyt" {
		fail(s.Insurance.Username != "", "insurance.username")
		fail(s.Insurance.PasswordFile != "", "insurance.password_file")
		fail(strings.TrimSpace(s.Insurance.StaffName) != "", "insurance.staff_name")
		fail(s.Insurance.StaffFile != "", "insurance.staff_number_file")
	}
	f := s.Facility
	fail(f.Code == "" || facilityForm.MatchString(f.Code), "facility.code")
	fail(slices.Contains([]string{"", "ban_dau", "co_ban", "chuyen_sau"}, f.Level), "facility.level")
	fail(slices.Contains([]string{"", "1.2", "1.11"}, f.PrimaryKind), "facility.primary_kind")
	fail(in(f.Points, 0, 100), "facility.points")
	fail(slices.Contains([]string{"", "trung_uong", "tinh", "huyen", "xa", "khong"}, f.FormerTier), "facility.former_tier")
	fail(in(s.Queue.RatePerMinute, 1, 600), "queue.rate_per_minute")
	fail(in(s.Queue.GiveUpDays, 1, 60), "queue.give_up_days")
	fail(in(s.Queue.KeepDays, 1, 3650), "queue.keep_days")
	fail(in(s.Compat.SocketIOPort, 1024, 65535) && !slices.Contains(slices.Concat(s.HIS.Ports, s.HIS.WSSPorts), s.Compat.SocketIOPort), "compat.socketio_port")
	fail(originsOK(s.Compat.SocketIOOrigins), "compat.socketio_origins")
	fail(slices.Contains([]string{"low", "standard", "high"}, s.Face.Level), "face.level")
	fail(slices.Contains([]string{"none", "passive_hints", "active_challenge"}, s.Face.AttackCheck), "face.attack_check")
	fail(s.Compat.WebhookURL == "" || webhookOK(s.Compat.WebhookURL), "compat.webhook_url")
	fail(!slices.ContainsFunc(s.Compat.Fields, func(f string) bool {
		return !slices.Contains(keys.DefaultFields, f) && !slices.Contains(keys.SensitiveFields, f)
	}), "compat.fields")
	fail(len(s.Scanner.Serial) <= 256 && !strings.ContainsFunc(s.Scanner.Serial, unicode.IsControl), "scanner.serial")
	fail(in(s.Scanner.Baud, 1200, 921_600), "scanner.baud")
	fail(s.Console.Login == "pin" || s.Console.Login == "os" || s.Console.Login == "both", "console.login")
	fail(in(s.Console.IdleMs, 30_000, 3_600_000), "console.idle_ms")
	fail(s.Console.ClipboardClearMs == 0 || in(s.Console.ClipboardClearMs, 5_000, 600_000), "console.clipboard_clear_ms")
	fail(fieldsOK(s.Console.CopyOrder), "console.copy_order")
	fail(sourceOK(s.Update.Source), "update.source")
	fail(in(s.Update.Ring, 0, 9), "update.ring")
	fail(in(s.Update.FromHour, 0, 23), "update.from_hour")
	fail(in(s.Update.ToHour, 0, 23), "update.to_hour")
	fail(s.Backup.Folder == "" || folderOK(s.Backup.Folder), "backup.folder")
	fail(s.Backup.Recipient == "" && s.Backup.Folder == "" || recipientForm.MatchString(s.Backup.Recipient), "backup.recipient")
	fail(in(s.Backup.Hour, 0, 23), "backup.hour")
	fail(in(s.Backup.Keep, 1, 365), "backup.keep")
	return bad
}

// check is that of the insurer's FHIR server, and of all that is needed if it is in use.
func (f FHIR) check(used bool, fail func(ok bool, name string)) {
	for _, t := range []struct{ name, text string }{
		{"insurer", f.Insurer}, {"facility", f.Facility}, {"number_system", f.NumberSystem}, {"card_system", f.CardSystem}, {"client_id", f.ClientID}, {"scope", f.Scope},
	} {
		fail(len(t.text) <= 256 && !strings.ContainsFunc(t.text, unicode.IsControl), t.name)
	}
	fail(f.URL == "" && !used || serverOK(f.URL), "url")
	fail(f.TokenURL == "" || serverOK(f.TokenURL), "token_url")
	if !used {
		return
	}
	_, value, system := strings.Cut(f.Insurer, "|")
	fail(value != "" || !system && f.Insurer != "", "insurer")
	fail(f.TokenFile == "" || f.TokenURL == "", "token_file")
	fail((f.TokenURL == "") == (f.ClientID == ""), "client_id")
	fail((f.TokenURL == "") == (f.SecretFile == ""), "client_secret_file")
	fail((f.CertFile == "") == (f.KeyFile == ""), "key_file")
}

// serverOK lets secrets and personal data go over TLS, or to this PC by its address.
func serverOK(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || len(s) > 2048 {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

func originsOK(origins []string) bool {
	return !slices.ContainsFunc(origins, func(o string) bool {
		parsed, err := keys.ParseOrigin(o)
		return err != nil || parsed != o
	})
}

// webhookOK lets personal data go to this PC, or over TLS; an address with a login or a fragment in it is none.
func webhookOK(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(s) > 2048 {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "127.0.0.1" || host == "::1" || host == "localhost")
}

// sourceOK lets releases come from a folder or over TLS. An address with a login in it would be a secret in the clear.
func sourceOK(s string) bool {
	if u, err := url.Parse(s); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		return u.Scheme == "https" && serverOK(s)
	}
	return s == "" || folderOK(s)
}

// folderOK wants the whole path, Windows' or another: a service has no folder of its own to start from.
func folderOK(s string) bool {
	whole := strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\\`) || len(s) > 3 && s[1] == ':' && (s[2] == '\\' || s[2] == '/')
	return whole && len(s) <= 1024 && !strings.ContainsFunc(s, unicode.IsControl)
}

// recipientForm is that of age's X25519 recipients (https://age-encryption.org/v1).
var recipientForm = regexp.MustCompile(`^age1[02-9ac-hj-np-z]{58}$`)

var facilityForm = regexp.MustCompile(`^[0-9A-Z]{5}$`)

var fieldForm = regexp.MustCompile(`^[a-z][A-Za-z]{0,31}(\.[a-z][A-Za-z]{0,31}){0,2}$`)

// fieldsOK judges the names of fields of a result by their form: the page leaves out what it does not know.
func fieldsOK(names []string) bool {
	seen := map[string]bool{}
	for _, n := range names {
		if !fieldForm.MatchString(n) || seen[n] {
			return false
		}
		seen[n] = true
	}
	return len(names) <= 40
}

func portsOK(ports []int) bool {
	seen := map[int]bool{}
	for _, p := range ports {
		if p < 1024 || p > 65535 || seen[p] {
			return false
		}
		seen[p] = true
	}
	return len(ports) >= 1 && len(ports) <= 8
}

func gatewayOK(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "127.0.0.1" || host == "::1")
}

// proxyOK lets calls go through a proxy that needs no log-in: its password would stand in the file.
func proxyOK(s string) bool {
	if s == "" || s == "none" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Path == "" || u.Path == "/")
}

// setting is one entry of the schema, taken from the struct's tags.
type setting struct {
	allowed, doc, kind string
	live, fileOnly     bool
}

func schema() map[string]setting {
	m := map[string]setting{}
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for i := range t.NumField() {
			f := t.Field(i)
			name := prefix + f.Tag.Get("toml")
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, name+".")
				continue
			}
			m[name] = setting{
				allowed: f.Tag.Get("allowed"), doc: f.Tag.Get("doc"), kind: f.Type.String(),
				live: f.Tag.Get("live") == "true", fileOnly: f.Tag.Get("change") == "file",
			}
		}
	}
	walk(reflect.TypeFor[Settings](), "")
	return m
}

func isTable(known map[string]setting, name string) bool {
	for k := range known {
		if strings.HasPrefix(k, name+".") {
			return true
		}
	}
	return false
}

// nearby lists what may stand in the table of an unknown name.
func nearby(known map[string]setting, name string) string {
	prefix := ""
	if i := strings.LastIndex(name, "."); i >= 0 && isTable(known, name[:i]) {
		prefix = name[:i+1]
	}
	set := map[string]bool{}
	for k := range known {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			first, _, _ := strings.Cut(rest, ".")
			set[prefix+first] = true
		}
	}
	names := make([]string, 0, len(set))
	for k := range set {
		names = append(names, k)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

type keyLine struct {
	name string
	line int
}

// keyLines finds the line of every key, which the decoder does not tell once a value has been decoded.
func keyLines(raw []byte) ([]keyLine, error) {
	var p unstable.Parser
	p.Reset(raw)
	var keys []keyLine
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		var name string
		var line int
		for it := e.Key(); it.Next(); {
			n := it.Node()
			if name != "" {
				name += "."
			}
			name += string(n.Data)
			if line == 0 {
				line = p.Shape(n.Raw).Start.Line
			}
		}
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = name + "."
		case unstable.KeyValue:
			name = table + name
		default:
			continue
		}
		if len(keys) == 1000 {
			return nil, Problems{{Line: line, What: notTOML, Allowed: "at most 1000 settings"}}
		}
		keys = append(keys, keyLine{name, line})
	}
	if err := p.Error(); err != nil {
		line := 0
		var pe *unstable.ParserError
		if errors.As(err, &pe) && pe.Highlight != nil {
			line = p.Shape(p.Range(pe.Highlight)).Start.Line
		}
		return nil, Problems{{Line: line, What: notTOML, Allowed: `name = value, or [table]`}}
	}
	return keys, nil
}

func lineOf(keys []keyLine, name string) int {
	for _, k := range keys {
		if k.name == name {
			return k.line
		}
	}
	return 0
}

func nameAt(keys []keyLine, line int) string {
	name := ""
	for _, k := range keys {
		if k.line <= line {
			name = k.name
		}
	}
	return name
}

// Sample is a commented file with every setting at its default, for IT to start from.
func Sample() string {
	return sample("Tapcheck settings. Every line may be left out; what stands here is the default.", "Allowed", func(_ string, f reflect.StructField) (doc, allowed string) {
		return f.Tag.Get("doc"), f.Tag.Get("allowed")
	})
}

// SampleVI is Sample with comments in Vietnamese.
func SampleVI() string {
	return sample("Cấu hình Tapcheck. Dòng nào cũng có thể bỏ; giá trị ghi ở đây là mặc định.", "Được phép", func(name string, _ reflect.StructField) (doc, allowed string) {
		return vietnamese[name].doc, vietnamese[name].allowed
	})
}

func sample(title, may string, say func(name string, f reflect.StructField) (doc, allowed string)) string {
	var b strings.Builder
	b.WriteString("# " + title + "\n")
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		t := v.Type()
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Type.Kind() != reflect.Struct {
				doc, allowed := say(prefix+f.Tag.Get("toml"), f)
				fmt.Fprintf(&b, "\n# %s\n# %s: %s.\n#%s = %s\n", doc, may, allowed, f.Tag.Get("toml"), tomlValue(v.Field(i)))
			}
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.Type.Kind() == reflect.Struct {
				fmt.Fprintf(&b, "\n[%s%s]\n", prefix, f.Tag.Get("toml"))
				walk(v.Field(i), prefix+f.Tag.Get("toml")+".")
			}
		}
	}
	walk(reflect.ValueOf(Default()), "")
	return b.String()
}

// Text writes a setting's value as the file has it.
func Text(value any) string { return tomlValue(reflect.ValueOf(value)) }

func tomlValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = tomlValue(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return fmt.Sprint(v.Interface())
	}
}
