//go:build race

package people_test

const raced = true
