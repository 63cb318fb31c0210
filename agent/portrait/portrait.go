// Package portrait turns the photo of a chip into a JPEG that can be shown, without trusting it.
//
// A photo is a stranger's bytes, and picture decoders are the classic way into a program: a few kilobytes can ask for
// gigabytes, or for hours. So every photo is decoded in a child process of our own executable that has no environment, a
// limit of memory (512 MiB), a limit of time (3 s), and nothing but standard input and output; if it dies, only the photo is
// lost. The photo never lies in a file or in a command line.
//
// A JPEG that decodes is passed on as it is, byte for byte. JPEG 2000 (ISO 15444-1, boxed or raw codestream) is decoded
// and written as JPEG of quality 90. Before any decoder sees a picture, its header is checked: 16 to 2048 pixels each way,
// 8 bits per sample. DG2 photos (ISO 19794-5) are a tenth of that.
//
// The program that uses a Decoder calls RunChild at once when it was started with ChildArg, before it does anything else.
package portrait

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// ChildArg is the argument that makes the executable a decoder child.
const ChildArg = "portrait-child"

// Bounds of a photo.
const (
	MaxBytes  = 512 << 10 // of the picture as it lies on the chip
	MaxPixels = 2048      // each way
	MinPixels = 16

	maxAnswer = 4 << 20 // bytes of JPEG that a child may answer; 2048 by 2048 at quality 90 stays below
)

// Limits of a child.
const (
	DefaultTimeout  = 3 * time.Second
	DefaultChildren = 2
	childMemory     = 512 << 20
	childCPU        = 5 // seconds of processor time, should nobody be there to end it
)

// Why there is no picture.
var (
	ErrUnsupported = errors.New("picture format is not supported")
	ErrTooLarge    = errors.New("picture is larger than allowed")
	ErrBroken      = errors.New("picture is broken")
	ErrTimeout     = errors.New("picture took too long to decode")
	ErrCrashed     = errors.New("decoder of the picture died")
)

// Picture is a JPEG that was decoded once, and can be decoded again.
type Picture struct {
	JPEG          []byte
	Width, Height int // pixels
}

// Options say how children are started. The zero value starts this program with ChildArg.
type Options struct {
	Command  string        // executable; empty is this program
	Args     []string      // its arguments; nil is ChildArg
	Timeout  time.Duration // of one picture; 0 is DefaultTimeout
	Children int           // at the same time; 0 is DefaultChildren
}

// Decoder decodes photos in children. It is safe for concurrent use; further calls wait while all children are at work.
// It keeps nothing between two pictures and need not be closed.
type Decoder struct {
	o     Options
	slots chan struct{}
}

// New makes a decoder. The error is that the program's own executable cannot be found.
func New(o Options) (*Decoder, error) {
	if o.Command == "" {
		var err error
		if o.Command, err = ownExecutable(); err != nil {
			return nil, fmt.Errorf("find the program's own file: %w", err)
		}
	}
	if o.Args == nil {
		o.Args = []string{ChildArg}
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Children <= 0 {
		o.Children = DefaultChildren
	}
	return &Decoder{o: o, slots: make(chan struct{}, o.Children)}, nil
}

// ToJPEG decodes a picture. format is that of lds.Portrait: "jpeg", "jp2" or "j2k". The errors are those above, ctx.Err() if
// the context ended, or that no child could be started; none holds a byte of the picture. When it returns, the child is gone.
func (d *Decoder) ToJPEG(ctx context.Context, format string, data []byte) (Picture, error) {
	code, known := formats[format]
	if !known {
		return Picture{}, fmt.Errorf("%w: %.16q", ErrUnsupported, format)
	}
	if len(data) > MaxBytes {
		return Picture{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return Picture{}, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	answer, err := d.child(limited, append(requestHeader(code, len(data)), data...))
	switch {
	case ctx.Err() != nil:
		return Picture{}, ctx.Err()
	case limited.Err() != nil:
		return Picture{}, ErrTimeout
	case err != nil:
		return Picture{}, err
	}
	return parseAnswer(answer)
}

// child starts one child, gives it the request, and takes its answer.
func (d *Decoder) child(ctx context.Context, request []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.o.Command, d.o.Args...)
	cmd.Env = []string{} // not nil, which would be ours
	cmd.WaitDelay = time.Second
	answer := &bounded{left: maxAnswer + answerHeader}
	cmd.Stdout = answer
	prepare(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	// The child waits for its request, so that it is confined before it decodes anything.
	release, err := confine(cmd.Process)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("confine the decoder: %w", err)
	}
	defer release()
	_, werr := in.Write(request) // fails when the child dies, and ends at the latest when the context does
	_ = in.Close()
	if err := cmd.Wait(); err != nil || werr != nil {
		return nil, ErrCrashed
	}
	return answer.b.Bytes(), nil
}

// bounded keeps what a child says, and hangs up on one that says too much.
type bounded struct {
	b    bytes.Buffer
	left int
}

func (w *bounded) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errors.New("answer too long")
	}
	w.left -= len(p)
	return w.b.Write(p)
}

// The frames between parent and child: explicit numbers, since an update may change the executable between the two.
//
//	request  version 1, format, length (4 bytes, big-endian), picture
//	answer   version 1, status, width (2), height (2), length (4), JPEG
const (
	frameVersion  = 1
	requestPrefix = 6
	answerHeader  = 10
)

var formats = map[string]byte{"jpeg": 1, "jp2": 2, "j2k": 3}

// Statuses of an answer.
const (
	statusOK          = 0
	statusUnsupported = 1
	statusTooLarge    = 2
	statusBroken      = 3
)

func requestHeader(format byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{frameVersion, format}, uint32(n))
}

func parseAnswer(b []byte) (Picture, error) {
	if len(b) < answerHeader || b[0] != frameVersion || int(binary.BigEndian.Uint32(b[6:])) != len(b)-answerHeader {
		return Picture{}, ErrCrashed
	}
	p := Picture{JPEG: b[answerHeader:], Width: int(binary.BigEndian.Uint16(b[2:])), Height: int(binary.BigEndian.Uint16(b[4:]))}
	switch b[1] {
	case statusOK:
		if p.Width < MinPixels || p.Width > MaxPixels || p.Height < MinPixels || p.Height > MaxPixels || !bytes.HasPrefix(p.JPEG, []byte{0xFF, 0xD8}) {
			return Picture{}, ErrCrashed
		}
		return p, nil
	case statusUnsupported:
		return Picture{}, ErrUnsupported
	case statusTooLarge:
		return Picture{}, ErrTooLarge
	case statusBroken:
		return Picture{}, ErrBroken
	}
	return Picture{}, ErrCrashed
}

// RunChild is the child: it reads one request, answers it, and gives the exit code. It confines its own process as far as
// the system lets a process do that, so it must be the only thing that the process does.
func RunChild(in io.Reader, out io.Writer) int {
	if err := confineSelf(); err != nil {
		return 2
	}
	return serve(in, out)
}

func serve(in io.Reader, out io.Writer) int {
	head := make([]byte, requestPrefix)
	if _, err := io.ReadFull(in, head); err != nil || head[0] != frameVersion {
		return 2
	}
	n := binary.BigEndian.Uint32(head[2:])
	if n > MaxBytes {
		return 2
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(in, data); err != nil {
		return 2
	}
	p, err := decode(head[1], data)
	status := byte(statusOK)
	switch {
	case err == nil && len(p.JPEG) > maxAnswer, errors.Is(err, ErrTooLarge):
		status = statusTooLarge
	case errors.Is(err, ErrUnsupported):
		status = statusUnsupported
	case err != nil:
		status = statusBroken
	}
	if status != statusOK {
		p = Picture{}
	}
	answer := []byte{frameVersion, status}
	answer = binary.BigEndian.AppendUint16(answer, uint16(p.Width))
	answer = binary.BigEndian.AppendUint16(answer, uint16(p.Height))
	answer = binary.BigEndian.AppendUint32(answer, uint32(len(p.JPEG)))
	if _, err := out.Write(append(answer, p.JPEG...)); err != nil {
		return 1
	}
	return 0
}

// ownExecutable finds the program that runs.
func ownExecutable() (string, error) {
	if path := selfPath; path != "" {
		return path, nil
	}
	return os.Executable()
}
