// Package linux holds what Tapcheck brings to a Linux machine besides the program: the unit, the service's user, its folders,
// and its rights to card readers and scanners. The packages (nfpm.yaml) and `tapcheck service install` put the same files
// into different places.
package linux

import _ "embed" // the files

// Files of the service, as the packages hold them.
var (
	//go:embed files/tapcheck.service
	Unit string
	//go:embed files/tapcheck-update.service
	Updater string
	//go:embed files/tapcheck-update.timer
	UpdaterTimer string
	//go:embed files/sysusers.conf
	Sysusers string
	//go:embed files/tmpfiles.conf
	Tmpfiles string
	//go:embed files/50-tapcheck.rules
	Polkit string
	//go:embed files/70-tapcheck.rules
	Udev string
)
