package main

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/windows/registry"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// policyKey holds what group policy decides, below HKLM: a key for each table of the settings file, a value for each setting; a
// list is a key of its own with a value for each entry (installer/windows/policy/tapcheck.admx). Administrators alone may write
// there.
const policyKey = settings.PolicyKey

// Bounds of what is read there.
const (
	policyDepth  = 4
	policyValues = 1000
)

// policyLayers is what group policy has decided.
func policyLayers() []settings.Layer {
	l := settings.Layer{Kind: settings.FromPolicy, Place: `HKLM\` + policyKey}
	if err := readPolicy(&l, policyKey, "", policyDepth); err != nil {
		l.Wrong = err.Error()
	}
	if l.Values == nil && l.Wrong == "" {
		return nil
	}
	return []settings.Layer{l}
}

// readPolicy takes the values of a key and the keys below it.
func readPolicy(l *settings.Layer, path, prefix string, depth int) error {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE|registry.ENUMERATE_SUB_KEYS|registry.WOW64_64KEY)
	if errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer k.Close()
	names, err := k.ReadValueNames(-1)
	if err != nil {
		return err
	}
	if len(l.Values)+len(names) > policyValues {
		return errors.New("too many values")
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) // 2 before 10
	if prefix != "" && settings.IsList(prefix[:len(prefix)-1]) {
		v := settings.Value{Name: prefix[:len(prefix)-1], Place: `HKLM\` + path, List: []string{}}
		for _, n := range names {
			text, err := policyText(k, n)
			if err != nil {
				return err
			}
			v.List = append(v.List, text)
		}
		l.Values = append(l.Values, v)
		return nil
	}
	for _, n := range names {
		if n == "" {
			continue // the key's own
		}
		v := settings.Value{Name: prefix + strings.ToLower(n), Place: `HKLM\` + path + `\` + n}
		if list, _, err := k.GetStringsValue(n); err == nil {
			v.List = list
		} else if v.Text, err = policyText(k, n); err != nil {
			return err
		}
		l.Values = append(l.Values, v)
	}
	below, err := k.ReadSubKeyNames(-1)
	if err != nil {
		return err
	}
	for _, b := range below {
		if depth == 0 {
			return errors.New("too many keys within keys")
		}
		if err := readPolicy(l, path+`\`+b, prefix+strings.ToLower(b)+".", depth-1); err != nil {
			return err
		}
	}
	return nil
}

// policyText is a value as text, whatever its kind.
func policyText(k registry.Key, name string) (string, error) {
	if n, _, err := k.GetIntegerValue(name); err == nil {
		return strconv.FormatUint(n, 10), nil
	}
	text, _, err := k.GetStringValue(name)
	if err != nil {
		return "", errors.New(name + " is of a kind that no setting has")
	}
	return text, nil
}
