#!/bin/sh
# The tests of the packages that have something of Windows' own, compiled for Windows and run under Wine: `make test-windows`.
#
#   installer/wine/test.sh FOLDER [PACKAGE…]   FOLDER is that of prefix.sh.
#
# What is left out, and why it says nothing of Windows:
#   IPv6, TestWSS      Wine does not say whose an IPv6 connection is.
#   TestRooms          asks the go command, which is not there.
set -eu
home=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- ./reader/... ./icao/lds ./icao/cccd ./insurance ./agent/keys/... ./agent/update ./agent/backup ./agent/journal ./agent/settings ./agent/health \
	./agent/scanner ./agent/face/... ./agent/checkin ./agent/his ./agent/console ./agent
trap '"$home/wine" --stop >/dev/null 2>&1 || true' EXIT
# One at a time: all of them share one Windows. Windows' own tests of the rest of the tree compile, which `make test-builds` shows.
CGO_ENABLED=0 GOOS=windows GOARCH=amd64 "${GO:-go}" test -p 1 -timeout 9m -exec "$home/wine" \
	-skip '^(TestRooms|TestWSS)$|^TestPeerSessionIsTheSessionAtTheOtherEnd$/IPv6' "$@"
# Of the program itself, what is Windows' own: the rest runs as a whole (TestWine).
CGO_ENABLED=0 GOOS=windows GOARCH=amd64 "${GO:-go}" test -timeout 5m -exec "$home/wine" -run '^(TestPortIsInTheRegistry|TestPolicyOfTheRegistry|TestLogFileIsBounded|TestDoctorOnThe.*|TestServiceAnswersTheManager|TestMachineCommands|TestRestoreRefuses|TestSetup.*)$' ./cmd/tapcheck
