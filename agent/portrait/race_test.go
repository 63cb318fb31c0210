//go:build race

package portrait

const raced = true
