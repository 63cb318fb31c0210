#!/bin/sh
# Makes the Linux packages of a program that has been built: installer/packages.sh BINARY FOLDER VERSION
#
# The same program gives the same bytes: every time in them is SOURCE_DATE_EPOCH, and nothing in them comes from this machine.
# bin/nfpm must be there (make bin/nfpm).
set -eu
[ $# = 3 ] || { echo "usage: installer/packages.sh BINARY FOLDER VERSION" >&2; exit 2; }
BINARY=$(readlink -f "$1")
mkdir -p "$2"
folder=$(readlink -f "$2")
VERSION=$3
ARCH=${ARCH:-$(go env GOARCH)}
: "${SOURCE_DATE_EPOCH:?the time of every file in the packages, in seconds since 1970}"
export BINARY VERSION ARCH SOURCE_DATE_EPOCH
cd "$(dirname "$0")/.."
for kind in deb rpm; do
	bin/nfpm package --config installer/linux/nfpm.yaml --packager "$kind" --target "$folder/" >/dev/null
done
(cd "$folder" && sha256sum ./*.deb ./*.rpm | sed 's# \./# #' >SHA256SUMS) # of all that lies there
