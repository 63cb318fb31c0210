package tpm_test

import (
	"errors"
	"testing"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
)

// Whatever TPM the PC has, or none, asking it gives an answer of a known kind. Under Wine this is the Windows binding's way to "none".
func TestLocal(t *testing.T) {
	if err := tpm.Local().Check(); err != nil && !errors.Is(err, tpm.ErrAbsent) && !errors.Is(err, tpm.ErrDenied) {
		t.Error(err)
	} else {
		t.Logf("the TPM here: %v", err)
	}
	var none *tpm.Device
	if err := none.Check(); !errors.Is(err, tpm.ErrAbsent) {
		t.Errorf("no device: %v", err)
	}
}
