// Package page is what a browser gets of the desk's console: one HTML file, style sheets, icons and JavaScript modules,
// served as they lie here. There is no build step, no framework, and nothing is asked of any other host, so it works on a
// PC without a network and under a Content-Security-Policy that allows this origin only.
//
// # What the page may rely on
//
// It is served at /console/ of the agent's own port and knows nothing that is not in Files. It talks to /console/api
// (accounts, pairing, settings, scans) and, for everything about a check-in, to the websocket /v1 as any HIS does, with the
// token of its own session.
//
// # What it keeps
//
// The session's token lives in a variable and nowhere else: sessionStorage would come back with a reopened or duplicated
// tab and is written to disk by the browser's session restore, and a cookie is shared between all ports of a host. The
// price is that a reload asks for the PIN again. The language and whether it makes sounds are in localStorage; nothing
// about a person is ever there, in the address or in the title.
package page

import "embed"

// Files are index.html and what it loads, by their paths below /console/.
//
//go:embed index.html css icons js
var Files embed.FS
