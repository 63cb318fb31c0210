package insurance

import (
	"fmt"
	"io"
)

// Secret is a text that never shows itself: printed, logged or marshalled it is "[redacted]". string(s) is the only way out.
type Secret string

const redacted = "[redacted]"

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and TOML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
