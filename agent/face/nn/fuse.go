package nn

import "slices"

// Fuse makes a graph smaller without changing what it computes, but for rounding: activations, factors and additions go into the
// convolution before them, PReLU is recognised in the five operations into which TensorFlow takes it apart, and what nobody
// reads is left out.
func (g *Graph) Fuse() {
	f := fuser{g: g}
	for {
		f.count()
		if !f.once() {
			break
		}
	}
	f.sweep()
}

type fuser struct {
	g    *Graph
	uses []int // of each value
}

func (f *fuser) count() {
	f.uses = make([]int, len(f.g.Nodes)+1)
	for _, o := range f.g.Outputs {
		f.uses[o.Value]++
	}
	// From the end, so that what is read only by what nobody reads does not count.
	for i := len(f.g.Nodes) - 1; i >= 0; i-- {
		n := &f.g.Nodes[i]
		if f.uses[i+1] == 0 {
			continue
		}
		for _, v := range n.In {
			f.uses[v]++
		}
		if n.Res > 0 {
			f.uses[n.Res]++
		}
	}
}

// node is the node that makes a value, nil for the input.
func (f *fuser) node(v int) *Node {
	if v == 0 {
		return nil
	}
	return &f.g.Nodes[v-1]
}

// own is the node that makes a value when nobody else reads it, and it ends with nothing that would come before what is to be fused.
func (f *fuser) own(v int) *Node {
	if n := f.node(v); n != nil && f.uses[v] == 1 && n.Act == ActNone {
		return n
	}
	return nil
}

// replace lets everybody read another value.
func (f *fuser) replace(old, by int) {
	for i := range f.g.Nodes {
		n := &f.g.Nodes[i]
		for j := range n.In {
			if n.In[j] == old {
				n.In[j] = by
			}
		}
		if n.Res == old {
			n.Res = by
		}
	}
	for i := range f.g.Outputs {
		if f.g.Outputs[i].Value == old {
			f.g.Outputs[i].Value = by
		}
	}
}

// once does one thing that can be done. From the end, so that factors come together before they go into a convolution, whose weights are many.
func (f *fuser) once() bool {
	for i := len(f.g.Nodes) - 1; i >= 0; i-- {
		v, n := i+1, &f.g.Nodes[i]
		if f.uses[v] == 0 {
			continue
		}
		switch n.Op {
		case OpAdd:
			if f.prelu(v, n) || f.residual(v, n) {
				return true
			}
		case OpScale:
			if f.scale(v, n) {
				return true
			}
		case OpCopy:
			if f.activation(v, n) {
				return true
			}
		}
	}
	return false
}

// activation goes into what comes before it.
func (f *fuser) activation(v int, n *Node) bool {
	if n.Res > 0 {
		return false
	}
	if n.Act == ActNone {
		if n.In[0] == 0 {
			return false // the input cannot be everything that a computed value can
		}
		f.replace(v, n.In[0])
		return true
	}
	p := f.own(n.In[0])
	if p == nil {
		return false
	}
	p.Act, p.Slope = n.Act, n.Slope
	f.replace(v, n.In[0])
	return true
}

// scale goes into a convolution or another scale before it.
func (f *fuser) scale(v int, n *Node) bool {
	p := f.own(n.In[0])
	if p == nil || p.Res > 0 || n.Res > 0 || p.Op != OpConv && p.Op != OpDepthwise && p.Op != OpScale {
		return false
	}
	weights, bias := slices.Clone(p.Weights), slices.Clone(p.Bias)
	for i := range weights {
		weights[i] *= n.Weights[i%len(n.Weights)] // the output channel is the last index everywhere
	}
	for i := range bias {
		bias[i] = bias[i]*n.Weights[i] + n.Bias[i]
	}
	p.Weights, p.Bias, p.Act, p.Slope = weights, bias, n.Act, n.Slope
	f.replace(v, n.In[0])
	return true
}

// residual is an addition that goes into the later of two convolutions.
func (f *fuser) residual(v int, n *Node) bool {
	a, b := n.In[0], n.In[1]
	if n.Res > 0 || a == b || f.g.ShapeOf(a) != f.g.ShapeOf(b) {
		return false
	}
	if a < b {
		a, b = b, a
	}
	p := f.own(a)
	if b == 0 || p == nil || p.Res > 0 || p.Op != OpConv {
		return false
	}
	p.Res, p.Act, p.Slope = b, n.Act, n.Slope
	f.replace(v, a)
	return true
}

// prelu is relu(x) + s·(x - |x|), which is x above zero and 2s·x below.
func (f *fuser) prelu(v int, n *Node) bool {
	if n.Res > 0 || n.Act != ActNone {
		return false
	}
	for k := range 2 {
		pos, scale := f.node(n.In[k]), f.own(n.In[1-k])
		if pos == nil || pos.Op != OpCopy || pos.Act != ActRelu || pos.Res > 0 || scale == nil || scale.Op != OpScale || scale.Res > 0 ||
			slices.ContainsFunc(scale.Bias, func(b float32) bool { return b != 0 }) {
			continue
		}
		sub := f.node(scale.In[0])
		if sub == nil || sub.Op != OpSub || sub.Act != ActNone || sub.Res > 0 || sub.In[0] != pos.In[0] {
			continue
		}
		abs := f.node(sub.In[1])
		if abs == nil || abs.Op != OpCopy || abs.Act != ActAbs || abs.Res > 0 || abs.In[0] != pos.In[0] {
			continue
		}
		slope := make([]float32, len(scale.Weights))
		for i, s := range scale.Weights {
			slope[i] = 2 * s
		}
		*n = Node{Op: OpCopy, In: []int{pos.In[0]}, Out: n.Out, Act: ActPRelu, Slope: slope}
		return true
	}
	return false
}

// sweep leaves out what nobody reads, and numbers the rest anew.
func (f *fuser) sweep() {
	f.count()
	to := make([]int, len(f.uses))
	kept := f.g.Nodes[:0:0]
	f.g.weights, f.g.work = 0, 0
	for i, n := range f.g.Nodes {
		if f.uses[i+1] == 0 {
			continue
		}
		for j := range n.In {
			n.In[j] = to[n.In[j]]
		}
		if n.Res > 0 {
			n.Res = to[n.Res]
		}
		kept = append(kept, n)
		to[i+1] = len(kept)
		f.g.weights += len(n.Weights) + len(n.Bias) + len(n.Slope)
		f.g.work += n.work()
	}
	f.g.Nodes = kept
	for i := range f.g.Outputs {
		f.g.Outputs[i].Value = to[f.g.Outputs[i].Value]
	}
}
