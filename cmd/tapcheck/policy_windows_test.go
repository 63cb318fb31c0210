package main

import (
	"errors"
	"testing"

	"golang.org/x/sys/windows/registry"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// TestPolicyOfTheRegistry reads what group policy would have written, by the template's places and kinds.
func TestPolicyOfTheRegistry(t *testing.T) {
	sources := settings.Sources{Over: policyLayers}
	if l, err := sources.Load(); err != nil || len(l.From) > 0 {
		t.Skip("this Windows has a policy for Tapcheck") // a developer's own: it is left alone
	}
	set := func(key string, to func(registry.Key) error) bool {
		k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, policyKey+key, registry.SET_VALUE|registry.WOW64_64KEY)
		if err != nil {
			return false
		}
		defer k.Close()
		return to(k) == nil
	}
	if !set("", func(k registry.Key) error { return k.SetStringValue("desk", "quầy 7") }) {
		t.Skip("who runs this is no administrator")
	}
	t.Cleanup(func() {
		for _, key := range []string{`\his\ports`, `\his\origins`, `\his`, ""} {
			_ = registry.DeleteKey(registry.LOCAL_MACHINE, policyKey+key)
		}
	})
	if !set(`\his`, func(k registry.Key) error {
		return errors.Join(k.SetDWordValue("max_connections", 7), k.SetDWordValue("wss", 1), k.SetStringsValue("wss_ports", []string{"27600", "27601"}))
	}) || !set(`\his\ports`, func(k registry.Key) error {
		return errors.Join(k.SetStringValue("10", "27502"), k.SetStringValue("1", "27500"), k.SetStringValue("2", "27501"))
	}) || !set(`\his\origins`, func(k registry.Key) error { return k.SetStringValue("1", "https://his.example") }) {
		t.Fatal("the policy could not be written")
	}
	l, err := sources.Load()
	if err != nil {
		t.Fatal(err)
	}
	h := l.Settings.HIS
	if l.Settings.Desk != "quầy 7" || h.MaxConnections != 7 || !h.WSS || len(h.Origins) != 1 || settings.Text(h.Ports) != "[27500, 27501, 27502]" || settings.Text(h.WSSPorts) != "[27600, 27601]" {
		t.Errorf("%+v", l.Settings)
	}
	if from := l.From["his.max_connections"]; from.Kind != settings.FromPolicy || from.Place != `HKLM\SOFTWARE\Policies\Tapcheck\his\max_connections` {
		t.Errorf("%+v", from)
	}
	set(`\his`, func(k registry.Key) error { return k.SetStringValue("orgins", "https://his.example") })
	if _, err := sources.Load(); err == nil {
		t.Error("a mistyped value is passed over")
	}
}
