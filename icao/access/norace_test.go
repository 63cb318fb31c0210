//go:build !race

package access

const underRace = false
