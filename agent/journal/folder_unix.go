//go:build unix

package journal

import (
	"errors"
	"os"
)

// syncFolder makes a rename durable: on Unix the name lives in the folder, and the folder is flushed by itself.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
