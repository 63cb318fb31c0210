//go:build !amd64

package nn

func choose(bool) kernels { return plain{} }

func all() []kernels { return nil }

// Vector says whether this machine runs the widest vector kernels.
func Vector() bool { return false }
