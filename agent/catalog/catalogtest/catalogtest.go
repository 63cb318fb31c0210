// Package catalogtest holds the tests to it that every error of the catalogue is provoked by one: it says which package's tests
// provoke which id, counts what they have seen, and lets a run fail that has not seen all of its own.
//
// agent/checkin provokes whatever is not listed here, in a table of its own (TestEveryIDIsProvoked): so an id that is new in
// the catalogue fails there until somebody has decided whose it is and how it comes about.
package catalogtest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// provokers are the packages whose tests provoke an id, for all that are not the engine's.
var provokers = map[string][]catalog.ID{
	"agent/his": {
		catalog.ParseError, catalog.InvalidRequest, catalog.UnknownMethod, catalog.NotAvailable, catalog.HostDenied, catalog.OriginDenied, catalog.PeerDenied,
		catalog.SessionRequired, catalog.SessionOpen, catalog.TokenRejected, catalog.ProtocolVersion, catalog.RateLimited, catalog.TooManyClients,
		catalog.PairingClosed, catalog.PairingCode, catalog.PairingEnded, catalog.PairingBusy, catalog.PortTaken,
	},
	"agent/console": {
		catalog.ConsoleLoginFailed, catalog.ConsoleSessionEnded, catalog.ConsoleLocked, catalog.ConsoleTooManyTries, catalog.ConsoleSetupSecret,
		catalog.ConsoleForbidden, catalog.ConsoleAccount, catalog.ConsoleSettingsFile, catalog.ConfigInvalid,
	},
	"agent": {catalog.DataFolder, catalog.AlreadyRunning},
}

// Elsewhere says that the tests of another package than the engine's provoke an id.
func Elsewhere(id catalog.ID) bool {
	for _, ids := range provokers {
		if slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

var (
	mu   sync.Mutex
	seen = map[catalog.ID]bool{}
)

// Saw notes that a program under test has said an id.
func Saw(id catalog.ID) {
	mu.Lock()
	defer mu.Unlock()
	seen[id] = true
}

// Exit is the end of a TestMain: the status is that of the tests, but 1 where all of them have run and some id that this
// package is to provoke was not said. It does not return.
func Exit(pkg string, status int) {
	if missing := unseen(pkg); status == 0 && whole() && len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: no test of %s provokes %v (agent/catalog/catalogtest says that they do)\n", pkg, missing)
		status = 1
	}
	os.Exit(status)
}

func unseen(pkg string) (missing []catalog.ID) {
	mu.Lock()
	defer mu.Unlock()
	for _, id := range provokers[pkg] {
		if !seen[id] {
			missing = append(missing, id)
		}
	}
	return missing
}

// whole says that every test of the package was to run.
func whole() bool {
	for _, name := range []string{"run", "skip", "list", "fuzz"} {
		if f := flag.Lookup("test." + name); f != nil && f.Value.String() != "" && !strings.HasPrefix(f.Value.String(), "^.*$") {
			return false
		}
	}
	return true
}
