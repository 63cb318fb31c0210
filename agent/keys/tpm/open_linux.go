package tpm

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
)

// openLocal asks through the kernel's resource manager: other programs use the TPM too. A TPM 1.2 has none.
func openLocal() (transport.TPMCloser, error) { return linuxtpm.Open("/dev/tpmrm0") }

func opening(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return fmt.Errorf("%w: %w", ErrAbsent, err)
}
