//go:build race

package icao_test

const underRace = true
