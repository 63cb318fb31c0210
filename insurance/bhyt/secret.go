package bhyt

import "github.com/tapcheck/tapcheck/insurance"

// Secret is a text that never shows itself.
type Secret = insurance.Secret
