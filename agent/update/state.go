package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Steps of an update, as they are on the disk.
const (
	idle       = ""
	installing = "installing" // the new version may be there, or half of it
	watching   = "watching"   // it is there, and has a minute to become healthy
	returning  = "returning"  // the old version is put back
)

// Results of an update.
const (
	Installed  = "installed"
	RolledBack = "rolled_back" // the new version was not healthy, or could not be installed; the old one is there
	Failed     = "failed"      // neither could be installed
)

// State is what the updater knows from run to run. It holds nothing secret.
type State struct {
	Step  string `json:"step,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	New   File   `json:"new,omitzero"`
	Back  File   `json:"back,omitzero"`
	Tries int    `json:"tries,omitempty"` // of the step that is under way
	Why   string `json:"why,omitempty"`   // that the old version is put back
	// Before is how the service did with the old version.
	Before Health `json:"before,omitzero"`

	Seen     time.Time `json:"seen,omitzero"`      // Made of the latest manifest: an older one is refused
	Kept     File      `json:"kept,omitzero"`      // package of the installed version
	Refused  []string  `json:"refused,omitempty"`  // versions that were taken back
	Checked  time.Time `json:"checked,omitzero"`   // when the source was last asked
	Problem  string    `json:"problem,omitempty"`  // what was wrong with it then
	Offered  string    `json:"offered,omitempty"`  // the version that was there
	Finished *Finish   `json:"finished,omitempty"` // the last update
}

// Finish is how an update ended.
type Finish struct {
	From   string    `json:"from"`
	To     string    `json:"to"`
	Result string    `json:"result"` // Installed, RolledBack or Failed
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
}

const stateName = "state.json"

// ReadState gives the state of an updater's folder; a missing one is the zero state. Error: ErrState, or the file system's.
func ReadState(dir string) (State, error) {
	var s State
	f, err := openRegular(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return s, err
	}
	if len(raw) > maxManifest || json.Unmarshal(raw, &s) != nil {
		return State{}, ErrState
	}
	return s, nil
}

// write puts the state on the disk, whole or not at all, and durably.
func (s State) write(dir string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, stateName), func(w io.Writer) error {
		_, err := w.Write(append(raw, '\n'))
		return err
	}, 0o644)
}

// replace makes a file whole or not at all.
func replace(path string, fill func(io.Writer) error, mode fs.FileMode) error {
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer f.Close() // again, which does nothing; for a fill that does not come back
	err = fill(f)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(path+".part", path)
	}
	if err != nil {
		_ = os.Remove(path + ".part")
		return err
	}
	return syncDir(filepath.Dir(path))
}

// readTrusted reads a file whose folder and self are judged.
func readTrusted(path string, ours func(fs.FileInfo) bool) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if !ours(info) || !ours(dir) {
		return nil, fmt.Errorf("%w: %s", ErrExposed, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = ErrForm
	}
	return raw, err
}
