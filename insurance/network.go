package insurance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What went wrong on the way to an insurer, as NetworkCause says it. The error itself holds the URL, and what is secret or
// personal in it: nothing else of it is ever shown.
const (
	NetworkTimeout = "timeout"
	NetworkNoHost  = "host name not found"
	NetworkRefused = "connection refused"
	NetworkTLS     = "certificate or TLS version not accepted"
	NetworkCut     = "connection cut"
	NetworkOther   = "network error"
)

// NetworkCause puts an error of net/http into one of a few fixed words; none for nil.
func NetworkCause(err error) string {
	var (
		timeout   interface{ Timeout() bool }
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     *net.OpError // crypto/tls reports the other side's alert as one, with a text that is no type
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &dns):
		return NetworkNoHost
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return NetworkTimeout
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert) && alert.Op == "remote error":
		return NetworkTLS
	case errors.Is(err, errRefused):
		return NetworkRefused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		slices.ContainsFunc(errsCut, func(cut error) bool { return errors.Is(err, cut) }):
		return NetworkCut
	}
	return NetworkOther
}

// Plain makes a foreign text fit to be shown: composed, on one line, without control characters, no longer than limit characters.
func Plain(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, norm.NFC.String(s))
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit-1]) + "…"
	}
	return s
}
