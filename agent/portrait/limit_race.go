//go:build race

package portrait

// childMemory has room for the race detector's own.
const childMemory = 1 << 30
