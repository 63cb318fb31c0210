package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tapcheck/tapcheck/"

// rooms says which packages of ours a package may import (design.md, The rooms). A package that is not named here may not
// exist. "…/" at the end allows what lies below.
var rooms = map[string][]string{
	"reader":                      {},
	"reader/pcsc":                 {"reader"},
	"reader/virtual":              {"reader"},
	"icao/lds":                    {},
	"icao/access":                 {"icao/lds"},
	"icao/trust":                  {"icao/lds"},
	"icao/cccd":                   {"icao/lds"},
	"icao":                        {"icao/lds", "icao/access", "icao/trust", "icao/cccd"},
	"icao/chip":                   {},
	"icao/chip/people":            {}, // faces for tests and for vendors
	"insurance":                   {},
	"insurance/bhyt":              {"insurance"},
	"insurance/claim":             {"insurance"},
	"insurance/relay":             {"insurance"},
	"insurance/fhir":              {"insurance"},
	"insurance/fhir/fhirtest":     {}, // an insurer's server, for tests
	"agent/portrait":              {},
	"agent/face":                  {"agent/face/modelfile", "agent/face/nn"},
	"agent/face/trial":            {"agent/face"},    // what it is worth, measured
	"agent/face/modelfile":        {"agent/face/nn"}, // foreign model files
	"agent/face/nn":               {},                // networks, and nothing of faces
	"agent/journal":               {},
	"agent/catalog/catalogtest":   {"agent/catalog"},
	"agent/catalog":               {},
	"agent/settings":              {"agent/keys"}, // what an origin is stands there
	"agent/health":                {"agent/catalog"},
	"agent/keys":                  {"agent/keys/tpm"},
	"agent/keys/tpm":              {},
	"agent/keys/tpm/tpmtest":      {"agent/keys/tpm"}, // a software TPM, for tests
	"agent/checkin":               {"agent/catalog", "agent/journal", "icao", "icao/lds", "icao/access", "icao/trust", "icao/cccd", "insurance", "insurance/fhir", "insurance/claim", "reader"},
	"agent/scanner":               {},
	"agent/update":                {},
	"agent/backup":                {},
	"agent/compat":                {"agent/catalog", "agent/checkin", "agent/mapping", "icao/lds", "insurance/claim", "reader"},
	"agent/mapping":               {"agent/checkin", "agent/settings", "icao/lds", "insurance", "insurance/claim"},
	"agent/his":                   {"agent/catalog", "agent/checkin", "agent/keys", "reader"},
	"agent/his/client":            {"agent/catalog"},
	"agent/his/reference":         {"agent/catalog", "agent/his/schema", "agent/mapping"},
	"agent/his/schema/schematest": {"agent/his/schema"},
	"agent/his/schema":            {}, // what the catalogue says is put into it when it is made
	"agent":                       {"…/"},
	"cmd/tapcheck":                {"…/"},

	// The local gateway knows the wire types of the client that it plays against, and nothing of how it is asked.
	"insurance/bhyt/localgateway": {"insurance", "insurance/bhyt"},
	// A private pcscd, for tests of reader/pcsc and of the whole agent.
	"reader/pcsc/pcsctest": {},

	// The server of the desk's own page, and the page.
	"agent/diagnostics":    {"agent/settings"},
	"agent/console/page":   {}, // files for a browser; of ours it knows only what they ask over the wire
	"agent/console/manual": {"agent/catalog", "agent/health"},
	"agent/console":        {"agent/catalog", "agent/checkin", "agent/keys", "agent/settings", "insurance"},

	// The unit and its kin, which the packages hold too.
	"installer/linux":   {},
	"installer/windows": {},
	"installer/models":  {"agent/face/modelfile", "agent/face/nn"},
	"installer/supply":  {"agent/face/modelfile"}, // licences and bill of materials of what has been built

	"agent/face/modelfile/modelfiletest": {"agent/face/nn"}, // writes model files, for tests

	// Files for browsers, and nothing that the agent knows.
	"agent/his/client/ts": {},
}

// gmrtd says which packages of gmrtd may be used, and where. Its reader, its access protocols and its secure messaging
// are not among them: see icao/access for what is wrong with them.
var gmrtd = map[string][]string{
	"icao/access": {"cryptoutils", "oid"},
	"icao/trust":  {"cms", "iso3166"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

// TestRooms holds the design's import rules, for Linux and for Windows, where other files are built.
func TestRooms(t *testing.T) {
	for _, goos := range []string{"linux", "windows"} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
		cmd.Dir = ".."
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64")
		if goos == "windows" {
			cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		d := json.NewDecoder(bytes.NewReader(out))
		for {
			var p listed
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			checkRoom(t, goos, p)
		}
	}
}

func checkRoom(t *testing.T, goos string, p listed) {
	room := strings.TrimPrefix(p.ImportPath, module)
	allowed, known := rooms[room]
	if !known {
		t.Errorf("%s: the design has no room %s", goos, room)
		return
	}
	for _, i := range p.Imports {
		if ours, ok := strings.CutPrefix(i, module); ok && !slices.Contains(allowed, ours) && !slices.Contains(allowed, "…/") {
			t.Errorf("%s: %s may not import %s", goos, room, ours)
		}
		if theirs, ok := strings.CutPrefix(i, "github.com/gmrtd/gmrtd/"); ok && !slices.Contains(gmrtd[room], theirs) {
			t.Errorf("%s: %s may not use gmrtd/%s", goos, room, theirs)
		}
		if goos == "windows" && i == "github.com/ebfe/scard" {
			t.Errorf("%s links ebfe/scard on Windows, where it looks for its DLL in the program's own folder", path.Base(room))
		}
	}
}
