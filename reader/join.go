package reader

import (
	"context"
	"errors"
	"strconv"
	"sync"
)

// Join presents several monitors as one: the readers of the first, then those of the second, and so on. Where two of them
// use the same ID, the later one's gets "@2", "@3" … behind it. Health is nil as long as one monitor is healthy. Close
// closes them all. Without any monitor there are no readers, and that is healthy.
func Join(monitors ...Monitor) Monitor {
	return &joined{monitors: monitors}
}

type joined struct{ monitors []Monitor }

// place is where a joined reader really is.
type place struct {
	monitor Monitor
	id      string
}

func (j *joined) list() ([]Info, map[string]place) {
	var infos []Info
	places := make(map[string]place)
	for _, m := range j.monitors {
		for _, info := range m.Readers() {
			real := info.ID
			for n := 2; places[info.ID].monitor != nil; n++ {
				info.ID = real + "@" + strconv.Itoa(n)
			}
			places[info.ID] = place{m, real}
			infos = append(infos, info)
		}
	}
	return infos, places
}

func (j *joined) Readers() []Info {
	infos, _ := j.list()
	return infos
}

func (j *joined) Watch(ctx context.Context) <-chan struct{} {
	out := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for _, m := range j.monitors {
		in := m.Watch(ctx)
		wg.Go(func() {
			// It ends with ctx or with its monitor: both close in.
			for range in {
				select {
				case out <- struct{}{}:
				default:
				}
			}
		})
	}
	if len(j.monitors) == 0 {
		context.AfterFunc(ctx, func() { close(out) })
		return out
	}
	go func() {
		wg.Wait()
		close(out)
	}()
	return out
}

func (j *joined) Connect(ctx context.Context, id string) (Session, error) {
	_, places := j.list()
	p, ok := places[id]
	if !ok {
		return nil, ErrReaderGone
	}
	s, err := p.monitor.Connect(ctx, p.id)
	if err != nil || p.id == id {
		return s, err
	}
	return renamed{s, id}, nil
}

func (j *joined) Health() error {
	var errs []error
	for _, m := range j.monitors {
		err := m.Health()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (j *joined) Close() error {
	var errs []error
	for _, m := range j.monitors {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// renamed is a session of a reader whose ID had to be changed.
type renamed struct {
	Session
	id string
}

func (r renamed) Reader() Info {
	info := r.Session.Reader()
	info.ID = r.id
	return info
}
