//go:build !amd64

package nn

func choose(bool) kernels { return plain{} }

// Vector says whether this machine runs the vector kernels.
func Vector() bool { return false }
