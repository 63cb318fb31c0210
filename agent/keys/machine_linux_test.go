package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An id that is none, or that lasts until the PC is switched off, tells nothing.
func TestSystemID(t *testing.T) {
	const one, two = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	for name, tt := range map[string]struct{ etc, run, want string }{
		"a machine-id":                {one + "\n", "", one},
		"none":                        {"", "", ""},
		"not yet made":                {"uninitialized\n", "", ""},
		"for this start alone":        {one + "\n", one + "\n", ""},
		"another one is in /run":      {one, two, one},
		"too long to be one":          {strings.Repeat("a", 100), "", ""},
		"too short, as of a bad tool": {"1234", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"etc": tt.etc, "run": tt.run} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := systemID(filepath.Join(dir, "etc"), filepath.Join(dir, "run")); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
