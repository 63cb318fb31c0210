package agent

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/keys/tpm/tpmtest"
)

// TestDeskLosesItsTPM starts an agent whose TPM was cleared: it serves, says why it is another workstation, and `keys.tpm = false` is obeyed.
func TestDeskLosesItsTPM(t *testing.T) {
	chip, dir := tpmtest.Start(t), filepath.Join(t.TempDir(), "data")
	start := func(sealed bool) []health.Code {
		t.Helper()
		return startOn(t, dir, keys.Machine{System: "0123456789abcdef0123456789abcdef", TPM: chip.Device()}, sealed)
	}
	for _, step := range []struct {
		sealed bool
		want   keys.Keeping
	}{{false, keys.InFile}, {true, keys.InTPM}, {false, keys.InFile}, {true, keys.InTPM}} {
		if wrong := start(step.sealed); slices.Contains(wrong, health.TPMKeysLost) || slices.Contains(wrong, health.MachineCopied) {
			t.Fatalf("with keys.tpm %v: %v", step.sealed, wrong)
		}
		if where, err := keys.KeptIn(dir, keys.Machine{TPM: chip.Device()}); err != nil || where != step.want {
			t.Errorf("with keys.tpm %v: %s, %v", step.sealed, where, err)
		}
	}
	before, err := keys.InstanceIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	chip.Clear()
	if wrong := start(true); !slices.Contains(wrong, health.TPMKeysLost) || slices.Contains(wrong, health.MachineCopied) {
		t.Errorf("cleared: %v", wrong)
	}
	if after, err := keys.InstanceIn(dir); err != nil || after == before {
		t.Errorf("the same workstation: %v", err)
	}
}
