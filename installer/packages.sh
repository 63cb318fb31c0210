#!/bin/sh
# Makes the Linux packages of a program that has been built: installer/packages.sh BINARY SUPPLY FOLDER VERSION
#
# SUPPLY is the folder with what installer/supply says of the program: licences of its parts, bill of materials.
# The same program gives the same bytes: every time in them is SOURCE_DATE_EPOCH, and nothing in them comes from this machine.
# bin/nfpm must be there (make bin/nfpm).
set -eu
[ $# = 4 ] || { echo "usage: installer/packages.sh BINARY SUPPLY FOLDER VERSION" >&2; exit 2; }
BINARY=$(readlink -f "$1")
SUPPLY=$(readlink -f "$2")
mkdir -p "$3"
folder=$(readlink -f "$3")
VERSION=$4
ARCH=${ARCH:-$(go env GOARCH)}
: "${SOURCE_DATE_EPOCH:?the time of every file in the packages, in seconds since 1970}"
export BINARY SUPPLY VERSION ARCH SOURCE_DATE_EPOCH
cd "$(dirname "$0")/.."
for kind in deb rpm; do
	bin/nfpm package --config installer/linux/nfpm.yaml --packager "$kind" --target "$folder/" >/dev/null
done
(cd "$folder" && sha256sum ./*.deb ./*.rpm | sed 's# \./# #' >SHA256SUMS) # of all that lies there
