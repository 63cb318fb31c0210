package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// setupCmd is what an installer runs: what was not given, or is empty, stays as it is. Run again with the same it changes nothing.
type setupCmd struct {
	Origins  string `help:"Web origins of the HIS, between spaces." placeholder:"ORIGIN …"`
	Key      string `help:"File with the public key of the HIS's backend (PEM or JWK), for all of --origins." placeholder:"FILE"`
	Ports    string `help:"Loopback ports, between commas." placeholder:"N,…"`
	Desk     string `help:"Name of this desk." placeholder:"TEXT"`
	Facility string `help:"The facility's own code, as insurance cards name it." placeholder:"CODE"`
	Gateway  string `help:"File with the account at the insurance gateway: username, password, staff_name, staff_number and, where it is another, url, as TOML." placeholder:"FILE"`
	Trust    string `help:"Folder of the hospital's own root certificates and lists." placeholder:"DIR"`
	Browsers bool   `help:"Let the browsers' policies allow the HIS's pages to reach this PC, and the desk's page to use the camera."`

	Remove bool `help:"Take back what setup has done outside of the data folder."`
	Purge  bool `help:"With --remove: the data folder and the settings too. They cannot be had back."`
}

// gatewayAccount is the file of --gateway.
type gatewayAccount struct {
	URL         string `toml:"url"`
	Username    string `toml:"username"`
	Password    string `toml:"password"`
	StaffName   string `toml:"staff_name"`
	StaffNumber string `toml:"staff_number"`
}

// Run does it. Whatever is wrong is said before anything has been changed, but for the secrets' files.
func (c setupCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	if c.Remove {
		return c.undo(a, dir)
	}
	changes := map[string]any{}
	origins := words(c.Origins)
	if len(origins) > 0 {
		changes["his.origins"] = origins
	}
	if c.Ports != "" {
		var ports []int
		for _, w := range words(c.Ports) {
			n, err := strconv.Atoi(w)
			if err != nil {
				return usage("--ports: %q is no number", w)
			}
			ports = append(ports, n)
		}
		changes["his.ports"] = ports
	}
	for name, value := range map[string]string{"desk": c.Desk, "facility.code": c.Facility, "trust.folder": c.Trust} {
		if value != "" {
			changes[name] = value
		}
	}
	var key *keys.JWK
	if c.Key != "" {
		if len(origins) == 0 {
			return usage("--key goes with --origins")
		}
		if key, err = readPublicKey(c.Key); err != nil {
			return err
		}
	}
	if err := protectSettings(a.config, a.named); err != nil {
		return err
	}
	if c.Gateway != "" {
		if err := c.account(dir, changes); err != nil {
			return err
		}
	}
	raw := map[string]json.RawMessage{}
	for name, value := range changes {
		if raw[name], err = json.Marshal(value); err != nil {
			return err
		}
	}
	from := a.sources() // a policy may hold what the file lacks
	from.Required = false
	var l settings.Loaded
	if len(raw) > 0 {
		if err = os.MkdirAll(filepath.Dir(a.config), 0o755); err == nil {
			l, err = from.SaveAll(raw)
		}
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			return failWith(exitDisk, err, "không ghi được cấu hình "+a.config+": "+path.Err.Error(), "the settings "+a.config+" cannot be written: "+path.Err.Error())
		}
	} else {
		l, err = from.Load()
	}
	if err != nil {
		return err
	}
	s := l.Settings
	if err := prepareData(dir); err != nil {
		return err
	}
	if key != nil {
		if err := registerKey(a, s.HIS.Origins, key); err != nil {
			return err
		}
	}
	if c.Browsers {
		return setPolicies(browserPolicies(s.HIS.Origins, s.HIS.Ports))
	}
	return nil
}

// account takes the account at the gateway over: what is secret is kept apart (keepSecret), the rest goes into the settings.
func (c setupCmd) account(dir string, changes map[string]any) error {
	f, err := os.Open(c.Gateway)
	if err != nil {
		return usage("--gateway: %v", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return usage("--gateway: %v", err)
	}
	var g gatewayAccount
	d := toml.NewDecoder(strings.NewReader(strings.TrimPrefix(string(raw), "\uFEFF")))
	// Its errors would quote the line, and with it a password.
	if d.DisallowUnknownFields().Decode(&g) != nil || g.Username == "" || g.Password == "" || g.StaffName == "" || g.StaffNumber == "" {
		return usage("--gateway: %s holds username, password, staff_name, staff_number and maybe url, as TOML, and nothing else", c.Gateway)
	}
	for name, secret := range map[string]string{"password": g.Password, "staff_number": g.StaffNumber} {
		ref, err := keepSecret(dir, "gateway-"+strings.ReplaceAll(name, "_", "-"), secret)
		if err != nil {
			return dataFolderError(err)
		}
		changes["insurance."+name+"_file"] = ref
	}
	changes["insurance.provider"], changes["insurance.username"], changes["insurance.staff_name"] = "bhyt", g.Username, g.StaffName
	if g.URL != "" {
		changes["insurance.url"] = g.URL
	}
	return nil
}

// registerKey lets a HIS's backend sign assertions for its origins. A key that is registered already is left.
func registerKey(a *app, origins []string, key *keys.JWK) error {
	store, err := a.tokens()
	if err != nil {
		return err
	}
	there, err := store.List()
	if err != nil {
		return dataFolderError(err)
	}
next:
	for _, o := range origins {
		for _, t := range there {
			if t.Origin == o && t.RevokedAt.IsZero() && t.PublicKey != nil && reflect.DeepEqual(*t.PublicKey, *key) {
				continue next
			}
		}
		_, t, err := store.Add(keys.TokenRequest{Origin: o, PublicKey: key, Label: "setup"})
		if err != nil {
			return dataFolderError(err)
		}
		a.printf("%s %s\n", o, t.ID)
	}
	return nil
}

// undo takes back what stands outside of the data folder, and with --purge that too.
func (c setupCmd) undo(a *app, dir string) error {
	err := setPolicies(browserPolicies(nil, nil))
	unscheduleUpdates(a.ctx)
	if !c.Purge {
		return err
	}
	if at := updatePlaces(); filepath.Dir(at.trust) == filepath.Dir(a.config) { // Windows' lies beside the settings
		err = errors.Join(err, os.RemoveAll(at.trust))
	}
	// Only a folder of ours is removed, whatever it is that was named.
	if isDataFolder(dir) {
		err = errors.Join(err, os.RemoveAll(dir))
	} else {
		_ = os.Remove(dir) // where nothing has come into it
	}
	err = errors.Join(err, purgeSecrets())
	for _, file := range []string{a.config, a.config + ".bak"} {
		if e := os.Remove(file); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// isDataFolder says whether a folder is one of ours, by the files that setup and the agent put there first.
func isDataFolder(dir string) bool {
	for _, name := range []string{"workstation.key", "tokens.json", "gateway-password"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
