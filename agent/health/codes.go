package health

import (
	"maps"
	"slices"
)

// Codes are all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(codes)) }
