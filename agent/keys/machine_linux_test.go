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

// What tells one PC's hardware from another's: root reads it, the service gets it from root, and what is on many PCs, or is a host's, tells nothing.
func TestBoard(t *testing.T) {
	const direct, handed = "sys/class/dmi/id/product_uuid", "run/tapcheck.board"
	const one, other = "4C4C4544-0042-3510-8052-B4C04F4E3332", "9f8e7d6c-5b4a-4392-8170-6f5e4d3c2b1a"
	const found = "4c4c4544004235108052b4c04f4e3332"
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"as root":                         {map[string]string{direct: one + "\n"}, found},
		"as the service":                  {map[string]string{handed: one + "\n"}, found},
		"root's own reading goes first":   {map[string]string{direct: one, handed: other}, found},
		"no SMBIOS":                       {nil, ""},
		"in a container of systemd's":     {map[string]string{direct: one, "run/systemd/container": "lxc"}, ""},
		"in a container of podman's":      {map[string]string{direct: one, "run/.containerenv": ""}, ""},
		"in a container of docker's":      {map[string]string{handed: one, ".dockerenv": ""}, ""},
		"zeros":                           {map[string]string{direct: "00000000-0000-0000-0000-000000000000"}, ""},
		"all ones":                        {map[string]string{direct: "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"}, ""},
		"one byte":                        {map[string]string{direct: "fefefefe-fefe-fefe-fefe-fefefefefefe"}, ""},
		"a filler":                        {map[string]string{direct: "03000200-0400-0500-0006-000700080009"}, ""},
		"a filler in the other order":     {map[string]string{direct: "00020003-0004-0005-0006-000700080009"}, ""},
		"a filler with no service tag":    {map[string]string{direct: "4c4c4544-0000-2010-8020-80c04f202020"}, ""},
		"words instead of one":            {map[string]string{direct: "To be filled by O.E.M. (by nobody ever)"}, ""},
		"cut off":                         {map[string]string{handed: one[:20]}, ""},
		"more than one, by a broken tool": {map[string]string{handed: one + other}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := boardIn(root); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
