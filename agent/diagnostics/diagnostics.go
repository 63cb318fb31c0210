// Package diagnostics makes the bundle that a hospital sends to whoever helps it: one zip archive that says what this
// program is, what it was told, what is wrong, and what it did last, and nothing about any patient, operator or secret.
//
// What is in it is chosen, not filtered: each part is made for the bundle from what may be told. A setting that holds free
// text is told as set or not set unless it is known to be harmless. The manifest says what is in the bundle, what was left
// out on purpose, and what could not be had. Everything is bounded.
package diagnostics

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// MaxBytes bounds a bundle.
const MaxBytes = 4 << 20

const (
	maxPart   = 1 << 20          // of one file, before compression
	partTime  = 3 * time.Second  // to make one
	maxMaking = 10 * time.Second // to make all
)

// Reader is a card reader as it may be told: no card is.
type Reader struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Contactless bool   `json:"contactless"`
	Virtual     bool   `json:"virtual,omitempty"`
	State       string `json:"state"`
}

// Sources are where the parts come from. None may tell anything personal; what is nil is left out.
type Sources struct {
	Version   string
	Simulated bool
	Started   time.Time // of the agent
	DataDir   string    // only how much room is there is told
	Settings  settings.Settings
	From      map[string]settings.Origin // of settings; the kind of the source alone is told
	Health    func() any
	Readers   func() []Reader
	Counters  func() any // numbers by name
	Trust     func(ctx context.Context) any
	Log       *Ring
	More      []Part   // of whoever makes a bundle of its own
	LeftOut   []string // what such a one leaves out, in words
}

// Part is one file of a bundle. What it gives may hold nothing personal; it is written as JSON.
type Part struct {
	Name, What string
	Make       func(ctx context.Context) (any, error)
}

// Bundle is a finished archive.
type Bundle struct {
	Name     string
	Data     []byte // zip
	Contents []File
	LeftOut  []string
}

// File is one file in it.
type File struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	What  string `json:"what"`
}

// Never are what no bundle holds, in words for whoever decides to send it.
var Never = []string{
	"patients: names, numbers, portraits, keys and results of check-ins (the journal stays here)",
	"operators and administrators: accounts, PINs and passwords",
	"secrets: tokens, keys, passwords, and the files that hold them",
	"settings with free text, paths or addresses, but for those that are known to be harmless: told as set or not set",
	"cards: answers to reset and everything that was read",
	"names of this PC and of its users, and network addresses",
}

// Make makes a bundle. A part that cannot be had is named in the manifest; the rest is there all the same. Error: ctx's, or
// that the whole is too large.
func Make(ctx context.Context, s Sources) (Bundle, error) {
	ctx, stop := context.WithTimeout(ctx, maxMaking)
	defer stop()
	now := time.Now()
	b := Bundle{Name: "tapcheck-diagnostics-" + now.Format("20060102-150405") + ".zip", LeftOut: slices.Concat(Never, s.LeftOut)}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	add := func(name, what string, content []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: now.Truncate(time.Second)})
		if err == nil {
			_, err = w.Write(content)
		}
		b.Contents = append(b.Contents, File{name, int64(len(content)), what})
		return err
	}
	for _, p := range s.parts(now) {
		content, err := make1(ctx, p)
		if ctx.Err() != nil {
			return Bundle{}, ctx.Err()
		}
		if err != nil {
			b.LeftOut = append(b.LeftOut, fmt.Sprintf("%s: could not be had (%v)", p.name, err))
			continue
		}
		if err := add(p.name, p.what, content); err != nil {
			return Bundle{}, err
		}
	}
	manifest, err := indented(map[string]any{
		"madeAt": now.Format(time.RFC3339), "version": s.Version, "simulated": s.Simulated, "contents": b.Contents, "leftOut": b.LeftOut,
	})
	if err != nil {
		return Bundle{}, err
	}
	if err := add("manifest.json", "what is in this bundle and what is not", manifest); err != nil {
		return Bundle{}, err
	}
	if err := z.Close(); err != nil {
		return Bundle{}, err
	}
	if buf.Len() > MaxBytes {
		return Bundle{}, errTooLarge
	}
	b.Data = buf.Bytes()
	return b, nil
}

type problem string

func (p problem) Error() string { return string(p) }

// Problems of a part. Their texts go into the bundle, so they repeat nothing.
const (
	errTooLarge = problem("too large")
	errTime     = problem("took too long")
	errFault    = problem("a fault in the program")
	errForm     = problem("cannot be written as JSON")
	errAbsent   = problem("the system does not give it to this user, or has none")
)

// part is one file of the bundle.
type part struct {
	name, what string
	make       func(ctx context.Context) ([]byte, error)
}

// make1 makes a part within its time. One that hangs (a driver, a share) is left alone.
func make1(ctx context.Context, p part) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, partTime)
	defer stop()
	type result struct {
		content []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{err: errFault} // what was thrown may hold anything
			}
		}()
		content, err := p.make(ctx)
		done <- result{content, err}
	}()
	select {
	case r := <-done:
		if r.err == nil && len(r.content) > maxPart {
			r.err = errTooLarge
		}
		return r.content, r.err
	case <-ctx.Done():
		return nil, errTime
	}
}

func indented(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, errForm
	}
	return append(raw, '\n'), nil
}

func (s Sources) parts(now time.Time) []part {
	jsonPart := func(name, what string, v func(ctx context.Context) any) part {
		return part{name, what, func(ctx context.Context) ([]byte, error) { return indented(v(ctx)) }}
	}
	list := []part{
		jsonPart("version.json", "the program and the libraries in it", func(context.Context) any { return version(s.Version) }),
		jsonPart("system.json", "the operating system, memory and disk", func(context.Context) any { return s.system(now) }),
		jsonPart("settings.json", "the settings in force, without secrets and free text", func(context.Context) any { return told(s.Settings, s.From) }),
	}
	if s.Health != nil {
		list = append(list, jsonPart("health.json", "what is wrong now, with cause and cure", func(context.Context) any { return s.Health() }))
	}
	if s.Readers != nil {
		list = append(list, jsonPart("readers.json", "card readers and their state", func(context.Context) any { return s.Readers() }))
	}
	if s.Counters != nil {
		list = append(list, jsonPart("counters.json", "how often what has happened since the start", func(context.Context) any { return s.Counters() }))
	}
	if s.Trust != nil {
		list = append(list, jsonPart("trust.json", "how many root certificates and lists are loaded", s.Trust))
	}
	for _, m := range s.More {
		list = append(list, part{m.Name, m.What, func(ctx context.Context) ([]byte, error) {
			v, err := m.Make(ctx)
			if err != nil {
				return nil, errAbsent // the system's own words can hold anything
			}
			return indented(v)
		}})
	}
	if s.Log != nil {
		list = append(list, part{"log.jsonl", "the last lines of the log, oldest first", func(context.Context) ([]byte, error) {
			text, _ := s.Log.text()
			return text, nil
		}})
	}
	return list
}

func version(own string) any {
	v := map[string]any{"version": own, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		libraries := map[string]string{}
		for _, d := range info.Deps {
			libraries[d.Path] = d.Version
		}
		v["libraries"] = libraries
	}
	return v
}

func (s Sources) system(now time.Time) any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	v := map[string]any{
		"os": runtime.GOOS, "arch": runtime.GOARCH, "processors": runtime.NumCPU(), "goroutines": runtime.NumGoroutine(),
		"heapBytes": m.HeapAlloc, "fromSystemBytes": m.Sys, "time": now.Format(time.RFC3339),
	}
	if release, err := osRelease(); err == nil {
		v["release"] = release
	}
	if free, err := diskFree(s.DataDir); err == nil {
		v["dataFolderFreeBytes"] = free
	}
	if !s.Started.IsZero() {
		v["runningSeconds"] = int64(now.Sub(s.Started).Seconds())
	}
	return v
}

// harmless are the settings with text that is told: words of ours, and addresses of the hospital's own software.
var harmless = []string{
	"language", "log.level", "his.origins", "insurance.provider", "insurance.url", "console.login", "console.copy_order",
	"compat.socketio_origins", "compat.fields", "scanner.serial",
}

// told gives the settings by name. A new setting with text is told as set or not set until somebody has put it among the
// harmless ones.
func told(s settings.Settings, from map[string]settings.Origin) any {
	type one struct {
		Name    string        `json:"name"`
		Value   any           `json:"value"`
		Default bool          `json:"default"`
		Source  settings.Kind `json:"source,omitempty"`
	}
	var list []one
	for _, e := range settings.List(s) {
		v := e.Value
		switch e.Kind {
		case "int", "bool", "[]int":
		default:
			if !slices.Contains(harmless, e.Name) {
				v = "not set"
				if r := reflect.ValueOf(e.Value); r.Len() > 0 {
					v = "set"
				}
			}
		}
		list = append(list, one{e.Name, v, fmt.Sprint(e.Value) == fmt.Sprint(e.Default), from[e.Name].Kind})
	}
	return list
}
