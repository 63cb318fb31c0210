//go:build race

package access

// underRace shortens the tests that only compute: the race detector makes arithmetic ten times slower, and nothing here runs beside
// anything else.
const underRace = true
