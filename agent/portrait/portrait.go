// Package portrait turns the photo of a chip into a JPEG that can be shown, without trusting it.
//
// A photo is a stranger's bytes, and picture decoders are the classic way into a program: a few kilobytes can ask for
// gigabytes, or for hours. So every photo is decoded in a child process of our own executable that has no environment, a
// limit of memory (100 MB is what the worst pictures cost), limits of time (1 s of the processor, 3 s of the day), and nothing but
// standard input and output; if it dies, only the photo is lost. The photo never lies in a file or in a command line.
//
// A JPEG that decodes is passed on as it is, byte for byte. JPEG 2000 (ISO 15444-1, boxed or raw codestream) is decoded
// and written as JPEG of quality 90. Before any decoder sees a picture, its header is checked: 16 to 2048 pixels each way,
// 8 bits per sample, and as much memory as a decoder would take for it. DG2 photos (ISO 19794-5) are a tenth of that.
//
// For the comparison of faces a photo is wanted as pixels (ToRGB), and so are the pictures of a camera: JPEG or PNG, many in a
// row, from somebody's browser or from a hospital's program, and no less a stranger's bytes than those of a chip. A Stream
// decodes them in one child that it keeps; when the child dies, the picture is lost that killed it, and the next one has a
// new child.
//
// The program that uses a Decoder calls RunChild at once when it was started with ChildArg, before it does anything else.
package portrait

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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

// Bounds of a camera's picture.
const (
	MaxLiveBytes  = 4 << 20    // as it was sent
	MaxLivePixels = 4096       // each way
	MinLivePixels = 64         // each way
	MaxLiveArea   = 12_000_000 // pixels in all
	LiveWidth     = 1280       // a picture that is larger, in either way, comes back scaled down to it
)

// Limits of a child.
const (
	DefaultTimeout  = 3 * time.Second
	DefaultChildren = 2
	DefaultStreams  = 4
	childHeap       = 64 << 20    // from here on garbage is collected whatever it costs
	childPicture    = time.Second // of processor time, for one picture
	childCPU        = 60          // seconds of processor time in all, by the system, should the child itself be out of its mind
	childTime       = 30 * time.Second
	maxWorking      = 56 << 20 // bytes that a decoder may need for one picture, by its header
)

// Why there is no picture.
var (
	ErrUnsupported = errors.New("picture format is not supported")
	ErrTooSmall    = errors.New("picture is smaller than allowed")
	ErrTooLarge    = errors.New("picture is larger than allowed")
	ErrBroken      = errors.New("picture is broken")
	ErrTimeout     = errors.New("picture took too long to decode")
	ErrCrashed     = errors.New("decoder of the picture died")

	// These are ErrUnsupported too, and say of what the picture has that is not supported.
	ErrDepth = fmt.Errorf("%w: other than 8 bits a sample", ErrUnsupported)
	ErrCMYK  = fmt.Errorf("%w: colours of print (CMYK)", ErrUnsupported)
	ErrType  = fmt.Errorf("%w: not of the type that was said", ErrUnsupported)
)

// Finding is what is said of a picture for which there was err, in the ids of the face check: PICTURE_TOO_SMALL,
// PICTURE_TOO_LARGE, PICTURE_BROKEN or PICTURE_TYPE. It is empty where the picture cannot be blamed: the decoder died, took too
// long or could not be started, or nobody waited.
func Finding(err error) string {
	for _, f := range []struct {
		err error
		id  string
	}{{ErrTooSmall, "PICTURE_TOO_SMALL"}, {ErrTooLarge, "PICTURE_TOO_LARGE"}, {ErrBroken, "PICTURE_BROKEN"}, {ErrUnsupported, "PICTURE_TYPE"}} {
		if errors.Is(err, f.err) {
			return f.id
		}
	}
	return ""
}

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
	Streams  int           // open at the same time, each with a child of its own; 0 is DefaultStreams
}

// Decoder decodes photos in children. It is safe for concurrent use; further calls wait while all children are at work.
// It keeps nothing between two pictures and need not be closed.
type Decoder struct {
	o       Options
	slots   chan struct{}
	streams chan struct{}
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
	if o.Streams <= 0 {
		o.Streams = DefaultStreams
	}
	return &Decoder{o: o, slots: make(chan struct{}, o.Children), streams: make(chan struct{}, o.Streams)}, nil
}

// Pixels are a decoded picture: RGB, 3 bytes a pixel, row by row from the top, no padding.
type Pixels struct {
	Width, Height int
	Pix           []byte
}

// Wipe overwrites the picture.
func (p Pixels) Wipe() { clear(p.Pix) }

// ToJPEG decodes a photo. format is that of lds.Portrait: "jpeg", "jp2" or "j2k". The errors are those above, ctx.Err() if
// the context ended, or that no child could be started; none holds a byte of the picture. When it returns, the child is gone.
func (d *Decoder) ToJPEG(ctx context.Context, format string, data []byte) (Picture, error) {
	a, err := d.once(ctx, jobShow, format, data)
	if err != nil {
		return Picture{}, err
	}
	p := Picture{JPEG: a.body, Width: a.width, Height: a.height}
	if p.Width < MinPixels || p.Width > MaxPixels || p.Height < MinPixels || p.Height > MaxPixels || !bytes.HasPrefix(p.JPEG, []byte{0xFF, 0xD8}) {
		return Picture{}, ErrCrashed
	}
	return p, nil
}

// ToRGB decodes a photo to its pixels, with the arguments and errors of ToJPEG. A JPEG that says by Exif that it lies on its
// side or its head is turned, since that is how browsers show it.
func (d *Decoder) ToRGB(ctx context.Context, format string, data []byte) (Pixels, error) {
	a, err := d.once(ctx, jobCompare, format, data)
	if err != nil {
		return Pixels{}, err
	}
	return a.pixels(MinPixels, MaxPixels)
}

// once has a photo decoded by a child that does nothing else.
func (d *Decoder) once(ctx context.Context, job byte, format string, data []byte) (answer, error) {
	code, known := formats[format]
	if !known || code == formatPNG {
		return answer{}, fmt.Errorf("%w: %.16q", ErrUnsupported, format)
	}
	if len(data) > MaxBytes {
		return answer{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	c, err := d.start()
	if err != nil {
		return answer{}, err
	}
	defer c.end()
	a, err := c.ask(limited, job, code, data, true)
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case limited.Err() != nil:
		return answer{}, ErrTimeout
	}
	return a, err
}

// ownExecutable finds the program that runs.
func ownExecutable() (string, error) {
	if path := selfPath; path != "" {
		return path, nil
	}
	return os.Executable()
}
