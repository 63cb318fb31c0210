package face

import (
	"context"
	"math"
	"testing"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// TestKnownAnswers holds the three networks to what others compute of the same input: TensorFlow.js 4.22.0 (its own kernels) of the files as
// published for BlazeFace and FaceMesh, ONNX Runtime 1.17.0 for MobileFaceNet. The numbers are the same on every system, in vector code
// and in Go.
func TestKnownAnswers(t *testing.T) {
	for _, way := range []Options{{}, {NoVector: true}} {
		e := engine(t, way)
		for _, c := range []struct {
			name   string
			net    network
			lo, hi float32           // what black and white are
			want   []map[int]float64 // by output
		}{
			{"BlazeFace", e.models.detector, -1, 1, []map[int]float64{
				{0: -3.348862, 1: -2.923349, 2: -3.756809, 100: -2.172194, 300: -3.075186, 511: -3.504912},   // scores of 16×16 cells
				{0: -5.160076, 1: -7.363273, 2: -8.863246, 100: -10.778258, 300: -4.924364, 383: -16.412842}, // of 8×8
				{0: -1.057115, 1: -3.823569, 2: 36.656769, 100: 0.243760, 300: -6.785071, 8191: -4.551760},   // boxes of 16×16
				{0: 4.104750, 1: 4.312183, 2: 88.628670, 100: -8.834621, 300: -28.121683, 6143: -9.125698},   // of 8×8
			}},
			{"FaceMesh", e.models.mesh, 0, 1, []map[int]float64{
				{0: 0.000007}, // presence
				{0: 107.940132, 1: 114.525589, 2: -12.001499, 100: 74.973030, 300: 86.236252, 1403: 13.216853}, // points
			}},
			{"MobileFaceNet", network{e.models.recogniser.program, []int{0}}, -1, 1, []map[int]float64{
				{0: -0.002278, 1: 0.032235, 2: 0.017449, 3: 0.000621, 100: 0.005202, 191: -0.013029},
			}},
		} {
			p := c.net.program
			a := nn.NewArena(p)
			in, size := p.Input(a), p.InputShape().W
			for i := range in {
				x, y := i/3%size, i/3/size
				in[i] = c.lo + (c.hi-c.lo)*float32((x*3+y*5+i%3*50+(x>>4)*(y>>4)%7*20)%256)/255
			}
			if err := p.Run(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			_, shapes := p.Outputs()
			for k, answers := range c.want {
				out := make([]float32, shapes[c.net.outputs[k]].Size())
				p.Output(a, c.net.outputs[k], out)
				for i, want := range answers {
					if d := math.Abs(float64(out[i]) - want); d > 1e-4*max(1, math.Abs(want)) {
						t.Errorf("%s, plain Go %v: output %d, number %d is %g, want %g", c.name, way.NoVector, k, i, out[i], want)
					}
				}
			}
		}
	}
}
