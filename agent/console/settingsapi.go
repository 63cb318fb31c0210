package console

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// settingWire is one setting as the page shows it.
type settingWire struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"`
	Allowed  map[string]string `json:"allowed"`
	Choices  []string          `json:"choices,omitempty"` // where it is one of a few words
	Doc      map[string]string `json:"doc"`
	Value    any               `json:"value"` // that is set, whether or not it is in force yet
	Default  any               `json:"default"`
	Live     bool              `json:"live"`               // a change is in force at once
	FileOnly bool              `json:"fileOnly,omitempty"` // can be changed in the file only
	Restart  bool              `json:"restart,omitempty"`  // another value is set than the one that is in force
	Source   settings.Kind     `json:"source"`             // where the value is from
	Place    string            `json:"place,omitempty"`    // of environment or policy: the variable, file or value of the registry
	Locked   bool              `json:"locked,omitempty"`   // environment or policy decides: what the file says does not count
}

func (k *Console) settingsList(context.Context, *call) (any, error) {
	k.mu.Lock()
	inForce := k.settings
	k.mu.Unlock()
	file, problems, from := inForce, []map[string]string{}, map[string]settings.Origin{}
	if k.c.SettingsFile != "" {
		l, err := k.sources().Load()
		var wrong settings.Problems
		switch {
		case err == nil:
			file, from = l.Settings, l.From
		case errors.As(err, &wrong):
			for _, p := range wrong {
				problems = append(problems, map[string]string{"vi": p.VI(), "en": p.EN()})
			}
		default:
			problems = append(problems, map[string]string{"vi": "không đọc được tệp", "en": "the file cannot be read"})
		}
	}
	running := settings.List(inForce)
	list := []settingWire{}
	for i, e := range settings.List(file) {
		o := from[e.Name]
		if o.Kind == "" {
			o.Kind = settings.FromDefault
		}
		locked := o.Kind == settings.FromEnvironment || o.Kind == settings.FromPolicy
		if !locked {
			o.Place = "" // the file's is said above
		}
		list = append(list, settingWire{
			Name: e.Name, Kind: e.Kind, Allowed: texts(e.AllowedVI, e.Allowed), Choices: e.Choices, Doc: texts(e.DocVI, e.Doc), Value: notNull(e.Value), Default: notNull(e.Default), Live: e.Live, FileOnly: e.FileOnly,
			Restart: !e.Live && !reflect.DeepEqual(notNull(e.Value), notNull(running[i].Value)),
			Source:  o.Kind, Place: o.Place, Locked: locked,
		})
	}
	return map[string]any{"file": k.c.SettingsFile, "problems": problems, "settings": list}, nil
}

// sources are those of the settings that are shown and changed here. A file that is missing is an empty one.
func (k *Console) sources() settings.Sources {
	return settings.Sources{File: k.c.SettingsFile, Over: k.c.SettingsOver}
}

func texts(vi, en string) map[string]string { return map[string]string{"vi": vi, "en": en} }

// notNull makes an absent list an empty one: the protocol has no null.
func notNull(v any) any {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice && r.IsNil() {
		return reflect.MakeSlice(r.Type(), 0, 0).Interface()
	}
	return v
}

const maxChanges = 100

func (k *Console) changeSettings(_ context.Context, q *call) (any, error) {
	var changes map[string]json.RawMessage
	if err := q.decode(&changes); err != nil {
		return nil, err
	}
	if len(changes) == 0 || len(changes) > maxChanges {
		return nil, badField("settings")
	}
	if k.c.SettingsFile == "" {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	k.saving.Lock() // two administrators at once
	defer k.saving.Unlock()
	l, err := k.sources().Save(changes)
	if err != nil {
		return nil, settingsError(err)
	}
	after, applied, restart := l.Settings, []string{}, []string{}
	for _, e := range settings.List(after) {
		if _, changed := changes[e.Name]; !changed {
			continue
		}
		if e.Live {
			applied = append(applied, e.Name)
		} else {
			restart = append(restart, e.Name)
		}
	}
	k.Renew(after)
	if k.c.Saved != nil {
		k.c.Saved(l)
	}
	k.c.Log("console.settings", map[string]any{"changed": slices.Concat(applied, restart), "by": q.session.id})
	return map[string]any{"applied": applied, "restart": restart}, nil
}

func settingsError(err error) error {
	var wrong settings.Problems
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &wrong):
		list := []map[string]string{}
		for _, p := range wrong {
			list = append(list, map[string]string{"setting": p.Setting, "vi": p.VI(), "en": p.EN()})
		}
		return &catalog.Error{ID: catalog.ConfigInvalid, Detail: map[string]any{"problems": list}, Err: err}
	case errors.Is(err, settings.ErrForm), errors.Is(err, settings.ErrFileOnly), errors.Is(err, settings.ErrLocked):
		return &catalog.Error{ID: catalog.ConsoleSettingsFile, Detail: map[string]any{"problem": err.Error()}, Err: err}
	case errors.As(err, &path):
		return &catalog.Error{ID: catalog.ConsoleSettingsFile, Detail: map[string]any{"problem": path.Err.Error()}, Err: err}
	case errors.As(err, &link):
		return &catalog.Error{ID: catalog.ConsoleSettingsFile, Detail: map[string]any{"problem": link.Err.Error()}, Err: err}
	}
	return err
}
