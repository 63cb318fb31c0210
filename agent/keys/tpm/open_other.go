//go:build !linux && !windows

package tpm

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2/transport"
)

func openLocal() (transport.TPMCloser, error) { return nil, errors.New("no way to it on this system") }

func opening(err error) error { return fmt.Errorf("%w: %w", ErrAbsent, err) }
