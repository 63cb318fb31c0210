//go:build !race

package portrait

// childMemory is the address space that a child may write to, in bytes. What it takes of that is less: see maxWorking.
const childMemory = 256 << 20
