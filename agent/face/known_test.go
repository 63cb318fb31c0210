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
			name    string
			program *nn.Program
			output  int
			lo, hi  float32 // what black and white are
			want    map[int]float64
		}{
			{"BlazeFace, scores of 16x16", e.models.detector.program, e.models.detector.outputs[0], -1, 1, map[int]float64{0: -3.348862, 1: -2.923349, 2: -3.756809, 100: -2.172194, 300: -3.075186, 511: -3.504912}},
			{"BlazeFace, scores of 8x8", e.models.detector.program, e.models.detector.outputs[1], -1, 1, map[int]float64{0: -5.160076, 1: -7.363273, 2: -8.863246, 100: -10.778258, 300: -4.924364, 383: -16.412842}},
			{"BlazeFace, boxes of 16x16", e.models.detector.program, e.models.detector.outputs[2], -1, 1, map[int]float64{0: -1.057115, 1: -3.823569, 2: 36.656769, 100: 0.243760, 300: -6.785071, 8191: -4.551760}},
			{"BlazeFace, boxes of 8x8", e.models.detector.program, e.models.detector.outputs[3], -1, 1, map[int]float64{0: 4.104750, 1: 4.312183, 2: 88.628670, 100: -8.834621, 300: -28.121683, 6143: -9.125698}},
			{"FaceMesh, presence", e.models.mesh.program, e.models.mesh.outputs[0], 0, 1, map[int]float64{0: 0.000007}},
			{"FaceMesh, points", e.models.mesh.program, e.models.mesh.outputs[1], 0, 1, map[int]float64{0: 107.940132, 1: 114.525589, 2: -12.001499, 100: 74.973030, 300: 86.236252, 1403: 13.216853}},
			{"MobileFaceNet", e.models.recogniser.program, 0, -1, 1, map[int]float64{0: -0.002278, 1: 0.032235, 2: 0.017449, 3: 0.000621, 100: 0.005202, 191: -0.013029}},
		} {
			a := nn.NewArena(c.program)
			in, size := c.program.Input(a), c.program.InputShape().W
			for i := range in {
				x, y := i/3%size, i/3/size
				in[i] = c.lo + (c.hi-c.lo)*float32((x*3+y*5+i%3*50+(x>>4)*(y>>4)%7*20)%256)/255
			}
			if err := c.program.Run(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			_, shapes := c.program.Outputs()
			out := make([]float32, shapes[c.output].Size())
			c.program.Output(a, c.output, out)
			for i, want := range c.want {
				if d := math.Abs(float64(out[i]) - want); d > 1e-4*max(1, math.Abs(want)) {
					t.Errorf("%s, plain Go %v: number %d is %g, want %g", c.name, way.NoVector, i, out[i], want)
				}
			}
		}
	}
}
