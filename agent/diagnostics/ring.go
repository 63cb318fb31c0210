package diagnostics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Bounds of what is kept of the log.
const (
	maxLines     = 2000
	maxRingBytes = 512 << 10
	maxLine      = 2 << 10
)

// Ring keeps the last lines of the log in memory, for the bundle. The zero value is ready. It is safe for concurrent use.
type Ring struct {
	mu    sync.Mutex
	lines [][]byte
	bytes int
	lost  int
}

// numbers are what a line must not hold: nothing that we count or measure has nine digits, but a citizen's number has. The
// agent logs none; this is for the day on which somebody makes a mistake.
var numbers = regexp.MustCompile(`[0-9]{9,}`)

// Add keeps an event of the log.
func (r *Ring) Add(at time.Time, level, event string, fields map[string]any) {
	line := map[string]any{}
	for k, v := range fields {
		line[k] = v
	}
	line["time"], line["level"], line["message"] = at.Format(time.RFC3339), level, event
	raw, err := json.Marshal(line)
	if err != nil {
		raw, _ = json.Marshal(map[string]any{"time": line["time"], "level": level, "message": event, "unsaid": fmt.Sprintf("%T", err)})
	}
	raw = numbers.ReplaceAll(raw, []byte("#"))
	if len(raw) > maxLine {
		raw, _ = json.Marshal(map[string]any{"time": line["time"], "level": level, "message": event, "bytes": len(raw)})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, raw)
	r.bytes += len(raw) + 1
	for len(r.lines) > maxLines || r.bytes > maxRingBytes {
		r.bytes -= len(r.lines[0]) + 1
		r.lines = r.lines[1:]
		r.lost++
	}
}

// text gives the lines, and how many older ones are no longer there.
func (r *Ring) text() (text []byte, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(bytes.Join(r.lines, []byte("\n")), '\n'), r.lost
}
