package modelfile

import "github.com/tapcheck/tapcheck/agent/face/nn"

// ONNX is to come.
func ONNX(data []byte) (*nn.Graph, error) { return nil, ErrUnsupported }
