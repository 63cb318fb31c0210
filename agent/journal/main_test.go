package journal

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// children are programs that tests start from the test binary itself, by the name in childEnv.
var children = map[string]func(path string) int{}

const (
	childEnv = "TAPCHECK_JOURNAL_CHILD"
	pathEnv  = "TAPCHECK_JOURNAL_PATH"
)

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childEnv)]; child != nil {
		os.Exit(child(os.Getenv(pathEnv)))
	}
	goleak.VerifyTestMain(m)
}
