package his

import "errors"

// ErrNoSession says that a peer's session could not be found, or is none that may use the agent.
var ErrNoSession = errors.New("peer belongs to no session of this PC")
