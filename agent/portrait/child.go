package portrait

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// The frames between parent and child: explicit numbers, since an update may change the executable between the two. A child
// answers one request after the other until its input ends.
//
//	request  version 2, job, format, length (4 bytes, big-endian), picture
//	answer   version 2, status, width (2), height (2), length (4), JPEG or RGB
const (
	frameVersion  = 2
	requestPrefix = 7
	answerHeader  = 10
)

// Jobs of a child.
const (
	jobShow    = 1 // a chip's photo as JPEG
	jobCompare = 2 // a chip's photo as RGB
	jobLive    = 3 // a camera's picture as RGB
)

const formatPNG = 4

var formats = map[string]byte{"jpeg": 1, "jp2": 2, "j2k": 3, "png": formatPNG}

// statuses of an answer; 0 is a picture.
var statuses = map[byte]error{
	1: ErrUnsupported, 2: ErrTooLarge, 3: ErrBroken, 4: ErrTooSmall, 5: ErrDepth, 6: ErrCMYK, 7: ErrType, 8: ErrTimeout,
}

const statusOK = 0

// statusOf is the number of the narrowest error that err is.
func statusOf(err error) byte {
	if err == nil {
		return statusOK
	}
	for _, n := range []byte{8, 7, 6, 5, 4, 2, 1} {
		if errors.Is(err, statuses[n]) {
			return n
		}
	}
	return 3
}

// maxBytes bounds the pictures of a job, and maxBody what a child may answer.
func maxBytes(job byte) uint32 {
	if job == jobLive {
		return MaxLiveBytes
	}
	return MaxBytes
}

func maxBody(job byte) uint32 {
	switch job {
	case jobCompare:
		return 3 * MaxPixels * MaxPixels
	case jobLive:
		return 3 * LiveWidth * LiveWidth
	}
	return maxAnswer
}

func requestHeader(job, format byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{frameVersion, job, format}, uint32(n))
}

// answer is what a child said.
type answer struct {
	width, height int
	body          []byte
}

// pixels believes no child either.
func (a answer) pixels(least, most int) (Pixels, error) {
	if a.width < least || a.width > most || a.height < least || a.height > most || len(a.body) != 3*a.width*a.height {
		return Pixels{}, ErrCrashed
	}
	return Pixels{Width: a.width, Height: a.height, Pix: a.body}, nil
}

// readAnswer gives the answer to a job, the error that the child gave instead, or ErrCrashed if what comes is neither.
func readAnswer(r io.Reader, job byte) (answer, error) {
	var head [answerHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || head[0] != frameVersion {
		return answer{}, ErrCrashed
	}
	n := binary.BigEndian.Uint32(head[6:])
	if head[1] != statusOK {
		if err := statuses[head[1]]; err != nil && n == 0 {
			return answer{}, err
		}
		return answer{}, ErrCrashed
	}
	if n > maxBody(job) {
		return answer{}, ErrCrashed
	}
	a := answer{width: int(binary.BigEndian.Uint16(head[2:])), height: int(binary.BigEndian.Uint16(head[4:])), body: make([]byte, n)}
	if _, err := io.ReadFull(r, a.body); err != nil {
		clear(a.body)
		return answer{}, ErrCrashed
	}
	return a, nil
}

// process is a child that runs.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	release func()
}

func (d *Decoder) start() (*process, error) {
	cmd := exec.Command(d.o.Command, d.o.Args...)
	cmd.Env = []string{} // not nil, which would be ours
	prepare(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		_ = in.Close()
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	if err := cmd.Start(); err != nil { // closes both pipes
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	// The child waits for its request, so that it is confined before it decodes anything.
	release, err := confine(cmd.Process)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("confine the decoder: %w", err)
	}
	return &process{cmd: cmd, in: in, out: out, release: release}, nil
}

// ask gives the child a picture and takes its answer. When ctx ends first, the child is killed, which ends all reading and
// writing. last says that nothing follows. After ErrCrashed and ErrTimeout, or when ctx has ended, the child is of no use any more.
func (c *process) ask(ctx context.Context, job, format byte, data []byte, last bool) (answer, error) {
	stop := context.AfterFunc(ctx, func() {
		_ = c.cmd.Process.Kill()
		// Should anybody else hold the other ends, such as a process that was started in the same moment and inherited them.
		_ = c.in.Close()
		_ = c.out.Close()
	})
	defer stop()
	if _, err := c.in.Write(requestHeader(job, format, len(data))); err != nil {
		return answer{}, ErrCrashed
	}
	if _, err := c.in.Write(data); err != nil {
		return answer{}, ErrCrashed
	}
	if last {
		_ = c.in.Close()
	}
	return readAnswer(c.out, job)
}

// end ends the child, whatever it does.
func (c *process) end() {
	_ = c.cmd.Process.Kill()
	_ = c.in.Close()
	_ = c.cmd.Wait()
	c.release()
}

// RunChild is the child: it answers one request after the other until in ends, and gives the exit code. It confines its own
// process as far as the system lets a process do that, so it must be the only thing that the process does.
func RunChild(in io.Reader, out io.Writer) int {
	if err := confineSelf(); err != nil {
		return 2
	}
	return serve(in, out, watch)
}

// watch closes over when a picture has cost too much: processor time, so that a busy machine loses no picture, or in the end
// the time of the day, when nobody can be waiting any more.
func watch() (over <-chan struct{}, done func()) {
	late, stop := make(chan struct{}), make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		began, used := time.Now(), cpuTime()
		for {
			select {
			case <-tick.C:
				if cpuTime()-used > childPicture || time.Since(began) > childTime {
					close(late)
					return
				}
			case <-stop:
				return
			}
		}
	}()
	return late, func() { close(stop) }
}

// serve has each picture watched. One that takes too long is the last, since nothing ends a decoder but the end of its process.
func serve(in io.Reader, out io.Writer, watch func() (over <-chan struct{}, done func())) int {
	for pictures := 0; ; pictures++ {
		var head [requestPrefix]byte
		if n, err := io.ReadFull(in, head[:]); n == 0 && errors.Is(err, io.EOF) && pictures > 0 {
			return 0
		} else if err != nil || head[0] != frameVersion {
			return 2
		}
		job, n := head[1], binary.BigEndian.Uint32(head[3:])
		if n > maxBytes(job) {
			return 2
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(in, data); err != nil {
			return 2
		}
		type result struct {
			a   answer
			err error
		}
		results := make(chan result, 1)
		over, done := watch()
		go func() {
			a, err := decode(job, head[2], data)
			results <- result{a, err}
		}()
		var a answer
		var err error
		select {
		case r := <-results:
			done()
			a, err = r.a, r.err
		case <-over:
			_, _ = out.Write(answerFrame(ErrTimeout, answer{}))
			return 3
		}
		if err == nil && uint64(len(a.body)) > uint64(maxBody(job)) {
			err = ErrTooLarge
		}
		if err != nil {
			a = answer{}
		}
		_, werr := out.Write(answerFrame(err, a))
		if werr == nil {
			_, werr = out.Write(a.body)
		}
		clear(data)
		clear(a.body)
		if werr != nil {
			return 1
		}
	}
}

// answerFrame is what comes before the body of an answer.
func answerFrame(err error, a answer) []byte {
	frame := []byte{frameVersion, statusOf(err)}
	frame = binary.BigEndian.AppendUint16(frame, uint16(a.width))
	frame = binary.BigEndian.AppendUint16(frame, uint16(a.height))
	return binary.BigEndian.AppendUint32(frame, uint32(len(a.body)))
}
