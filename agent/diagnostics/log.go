package diagnostics

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"time"
)

// loggedText are the fields of the log whose text is told: words of ours, codes, and names of files without their folders. A
// field that nobody has put here is told as set.
var loggedText = []string{
	"addr", "at", "call", "cause", "changed", "checkin", "code", "error", "file", "format", "from", "instance", "kind", "method",
	"outcome", "page", "problem", "protocol", "reason", "restart", "result", "role", "route", "state", "to", "token", "type", "unsaid", "version", "why",
}

// safeText is what such a field can hold: one line in ASCII, and nothing as long as a card's number. A name of a person of the
// chip's, with its diacritics, is none.
var safeText = regexp.MustCompile(`^[\x20-\x7e]{0,400}$`)

// personal is what the words of a program do not look like, and a person's do: digits as many as a date has, names in a row, lines of
// a card's machine-readable zone, and what is encoded.
var personal = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{6,}|\b[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)+\b|[A-Z0-9]*<[A-Z0-9<]+|[A-Za-z0-9+=_%-]{28,}`)

// FromLog reads the log of a service, as the agent has written it, for a bundle: its events, one a line. What is no event (a
// library that prints, the operating system's own lines) is left out and counted in a last line, because nobody knows what stands in it. Of the
// events, numbers, and the texts of fields that are known to be harmless are told.
func FromLog(r io.Reader) *Ring {
	ring, foreign := &Ring{}, 0
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			foreign++
			for err == bufio.ErrBufferFull {
				_, err = in.ReadSlice('\n')
			}
			line = nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 && !ring.addLine(line) {
			foreign++
		}
		if err != nil {
			if foreign > 0 {
				ring.Add(time.Now(), "info", "log.left_out", map[string]any{"lines": foreign})
			}
			return ring
		}
	}
}

// addLine takes one event, and says whether it was one.
func (r *Ring) addLine(line []byte) bool {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var event map[string]any
	if line[0] != '{' || d.Decode(&event) != nil {
		return false
	}
	message, _ := event["message"].(string)
	level, _ := event["level"].(string)
	stamp, _ := event["time"].(string)
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil || !plainWord.MatchString(message) || !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		return false
	}
	for _, own := range []string{"message", "level", "time"} {
		delete(event, own)
	}
	fields := map[string]any{}
	for key, v := range event {
		if !plainWord.MatchString(key) {
			continue
		}
		fields[key] = toldValue(v, slices.Contains(loggedText, key), 0)
	}
	r.Add(at, level, message, fields)
	return true
}

// plainWord is the name of an event or a field.
var plainWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_. -]{0,63}$`)

// toldValue gives of a value what may be told.
func toldValue(v any, harmless bool, depth int) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case json.Number:
		if len(v) > 6 { // nothing that we count or measure is that long, but a date of birth is
			return "#"
		}
		return v
	case string:
		if harmless && safeText.MatchString(v) {
			return personal.ReplaceAllString(v, "#")
		}
	case []any:
		if depth == 0 && len(v) <= 32 {
			out := make([]any, len(v))
			for i, one := range v {
				out[i] = toldValue(one, harmless, 1)
			}
			return out
		}
	}
	return "set"
}
