package keys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// SimulationFile marks a data folder that was made for a simulation. It is empty.
const SimulationFile = "simulated"

// A data folder is made for one mode.
var (
	ErrSimulation = errors.New("it belongs to a simulation")
	ErrReal       = errors.New("it holds files and belongs to no simulation")
)

// Claim makes the data folder for one mode, or checks that it was made for that one, before anything else is done in it.
// Invented patients must not get into a real desk's journal, nor tokens that may put cards on readers into its store; and
// real patients must not get into what is thrown away. Errors: *FileError that unwraps to ErrSimulation, to ErrReal or to
// one of the others of this package.
func Claim(dir string, simulation bool) error {
	if err := makePrivateDir(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, SimulationFile)
	_, err := os.Lstat(path)
	marked := err == nil
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return &FileError{Path: path, Err: err}
	case marked && !simulation:
		return &FileError{Path: dir, Err: ErrSimulation, Cure: "name another folder"}
	case marked || !simulation:
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return &FileError{Path: dir, Err: err}
	}
	for _, e := range entries {
		if e.Name() != SimulationFile { // another program may claim it at this moment too
			return &FileError{Path: dir, Err: ErrReal, Cure: "name another folder"}
		}
	}
	f, err := createPrivate(path)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(adoptOwner(f, dir), f.Close())
	}
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	return syncDir(dir)
}
