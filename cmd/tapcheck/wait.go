package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/reader"
)

// settle gives a monitor that has just been started the time to look at its readers once.
func settle(ctx context.Context, m reader.Monitor) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	changes := m.Watch(ctx)
	for len(m.Readers()) == 0 && m.Health() == nil {
		select {
		case _, open := <-changes:
			if !open {
				return nil
			}
		case <-ctx.Done():
			return nil // no reader: that is an answer too
		}
	}
	return nil
}

// waitForCard waits until a card lies in a reader: the one with this id, or any. It fails at once when there is no reader
// at all, for nobody can then put a card down.
func waitForCard(ctx context.Context, m reader.Monitor, id string, wait time.Duration) (reader.Info, error) {
	limit, stop := context.WithTimeout(ctx, wait)
	defer stop()
	changes := m.Watch(limit)
	if err := settle(limit, m); err != nil {
		return reader.Info{}, err
	}
	for {
		if err := m.Health(); err != nil {
			return reader.Info{}, checkin.Explain(err)
		}
		there, mute := false, false
		for _, r := range m.Readers() {
			if id != "" && r.ID != id && r.Name != id || r.State == reader.Absent {
				continue
			}
			there = true
			switch r.State {
			case reader.Card:
				return r, nil
			case reader.Mute:
				mute = true
			}
		}
		if !there {
			return reader.Info{}, checkin.Explain(reader.ErrReaderGone)
		}
		select {
		case <-changes:
			continue
		case <-limit.Done():
		}
		switch {
		case ctx.Err() != nil:
			return reader.Info{}, ctx.Err()
		case mute:
			return reader.Info{}, checkin.Explain(reader.ErrCardMute)
		}
		return reader.Info{}, catalog.New(catalog.CardTimeout, nil)
	}
}

// writeNew writes a file that must not be there yet, readable by its owner only.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
